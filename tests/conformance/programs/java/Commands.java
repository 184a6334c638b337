import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** The Java clients behind a command per line (tests/conformance/json_lines.py says which). */
public final class Commands {
    static final ObjectMapper JSON = new ObjectMapper();

    private final DataCommands data;
    private final AdminCommands admin;

    private Commands(Map<String, Object> common) {
        data = new DataCommands(common);
        admin = new AdminCommands(common);
    }

    /** What every client is given: the address, and how it proves who it is. */
    private static Map<String, Object> common(String[] args) throws IOException {
        Map<String, Object> common = new HashMap<>();
        common.put("bootstrap.servers", args[0]);
        if (args.length > 1) {
            JSON.readTree(new File(args[1])).get("java").properties()
                .forEach(one -> common.put(one.getKey(), one.getValue().asText()));
        }
        return common;
    }

    public static void main(String[] args) throws Exception {
        Commands commands = new Commands(common(args));
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(JSON.writeValueAsString(commands.answer(JSON.readTree(line))));
        }
        commands.data.close();
        commands.admin.close();
        System.exit(0);
    }

    private ObjectNode answer(JsonNode asked) {
        ObjectNode answer = JSON.createObjectNode();
        try {
            answer.set("ok", JSON.valueToTree(run(asked.get("do").asText(), asked)));
        } catch (Throwable error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            answer.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
        }
        return answer;
    }

    private Object run(String command, JsonNode asked) throws Exception {
        Object found = data.run(command, asked);
        return found == DataCommands.UNKNOWN ? admin.run(command, asked) : found;
    }
}
