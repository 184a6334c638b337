// Keeps the page's fragments fresh from one event stream, and says how fresh they are.
"use strict";
(() => {
  const page = document.querySelector("[data-stream]");
  const status = document.querySelector("[data-live-status]");
  if (!page || !status || !window.EventSource) return;

  const STALE_AFTER_MS = 15000;
  const RETRY_MS = { first: 1000, most: 15000 };
  const REFUSALS = [401, 403, 404, 410]; // signed out meanwhile, or the cluster is gone
  let source = null;
  let heardAt = null;
  let retryMs = RETRY_MS.first;
  let timer = 0;

  const clock = (moment) => moment.toLocaleTimeString([], { hour12: false });

  function say(state, words) {
    if (status.dataset.state === state && status.textContent === words) return;
    status.hidden = false;
    status.dataset.state = state;
    status.textContent = words;
  }

  function show(fragments) {
    for (const [name, html] of Object.entries(fragments)) {
      const place = document.querySelector(`[data-fragment="${CSS.escape(name)}"]`);
      if (place) place.innerHTML = html;
    }
  }

  function heard() {
    heardAt = new Date();
    retryMs = RETRY_MS.first;
    say("live", "Live");
    document.dispatchEvent(new CustomEvent("ottla:live"));
  }

  // An EventSource does not say why it failed, and a refusal never gets better by trying again.
  async function leaveIfRefused() {
    const asked = new AbortController();
    try {
      const answer = await fetch(page.dataset.stream, { signal: asked.signal });
      if (REFUSALS.includes(answer.status)) window.location.reload();
    } catch {
      // Out of reach: the next attempt will tell.
    } finally {
      asked.abort();
    }
  }

  function open() {
    window.clearTimeout(timer);
    source = new EventSource(page.dataset.stream);
    source.addEventListener("fragments", (event) => {
      show(JSON.parse(event.data));
      heard();
    });
    source.addEventListener("tick", heard);
    source.addEventListener("over", () => window.location.reload());
    source.addEventListener("error", () => {
      // The browser gives up on some answers; opening anew, with growing pauses, never does.
      close();
      timer = window.setTimeout(open, retryMs * (0.5 + Math.random()));
      retryMs = Math.min(retryMs * 2, RETRY_MS.most);
      watch();
      leaveIfRefused();
    });
  }

  function close() {
    if (source) source.close();
    source = null;
    window.clearTimeout(timer);
  }

  function watch() {
    if (document.hidden) return;
    if (!heardAt) say("off", "Connecting");
    else if (Date.now() - heardAt.getTime() > STALE_AFTER_MS || !source)
      say("stale", `Stale since ${clock(heardAt)}`);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
      say("off", "Paused");
    } else if (!source) {
      open();
    }
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && !source && open());
  window.setInterval(watch, 1000);
  say("off", "Connecting");
  open();
})();
