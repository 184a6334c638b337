// The command-per-line protocol of tests/conformance/json_lines.py, and what both clients share.
"use strict";

const readline = require("node:readline");

const bytes = (text) => (text === null ? null : Buffer.from(text, "base64"));
const text = (data) => (data === null || data === undefined ? null : Buffer.from(data).toString("base64"));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A record of a command as a message of kafkajs; repeated headers become a list. */
function messageOf(told) {
  const headers = {};
  for (const [name, value] of told.headers) {
    const old = headers[name];
    const data = bytes(value);
    headers[name] = old === undefined ? data : [].concat(old, data);
  }
  const message = { key: bytes(told.key), value: bytes(told.value), partition: told.partition, headers };
  if (told.timestamp_ms >= 0) message.timestamp = String(told.timestamp_ms);
  return message;
}

/** A message as it is answered. */
function tell(partition, message) {
  const headers = [];
  for (const [name, value] of Object.entries(message.headers || {})) {
    for (const one of Array.isArray(value) ? value : [value]) headers.push([name, text(one)]);
  }
  return {
    key: text(message.key),
    value: text(message.value),
    headers,
    partition,
    offset: Number(message.offset),
    timestamp_ms: Number(message.timestamp),
  };
}

/** Wait until `found` holds `count` records, or the time is over; hand them out. */
async function take(found, count, seconds) {
  const deadline = Date.now() + seconds * 1000;
  while (found.length < count && Date.now() < deadline) await sleep(10);
  return found.splice(0, count);
}

/** Answer commands in order until the input ends. */
async function serve(commands) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
      answer = { ok: (await commands[asked.do](asked)) ?? true };
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

module.exports = { messageOf, tell, take, serve, sleep };
