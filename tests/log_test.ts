import { assertEquals, assertMatch } from "@std/assert";
import { Log, type LogLevel } from "../lib/server/log.ts";

/** 3 February 2024, 04:05:06.007 local time. */
const NOW_MS = new Date(2024, 1, 3, 4, 5, 6, 7).getTime();

function collect(level?: LogLevel): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const sink = (line: string) => void lines.push(line);
  const log = new Log({ nowMs: () => NOW_MS, sink, ...level === undefined ? {} : { level } });
  return { log, lines };
}

function logAll(log: Log): void {
  log.debug("d");
  log.verbose("v");
  log.notice("n");
  log.warning("w");
}

Deno.test("Log writes Redis's lines, with pid, role, local time and the level's mark", () => {
  const { log, lines } = collect("debug");
  log.debug("one");
  log.role = "S";
  log.verbose("two");
  log.role = "C";
  log.notice("three");
  log.role = "X";
  log.warning("four é");
  const time = "03 Feb 2024 04:05:06.007";
  assertEquals(lines, [
    `${Deno.pid}:M ${time} . one\n`,
    `${Deno.pid}:S ${time} - two\n`,
    `${Deno.pid}:C ${time} * three\n`,
    `${Deno.pid}:X ${time} # four é\n`,
  ]);
});

Deno.test("Log writes its level and above, notice by default, as the level is changed", () => {
  const { log, lines } = collect();
  const marks = () => lines.splice(0).map((line) => line.at(-2)).join("");
  logAll(log);
  assertEquals(marks(), "nw");
  for (
    const [level, expected] of [
      ["debug", "dvnw"],
      ["verbose", "vnw"],
      ["warning", "w"],
      ["nothing", ""],
    ] as const
  ) {
    log.level = level;
    logAll(log);
    assertEquals(marks(), expected, level);
    assertEquals(log.writes("warning"), level !== "nothing");
    assertEquals(log.writes("debug"), level === "debug");
  }
});

Deno.test("Log.raw writes a line as it is, but nothing at level nothing", () => {
  const { log, lines } = collect("warning");
  log.raw("banner");
  log.level = "nothing";
  log.raw("hidden");
  assertEquals(lines, ["banner\n"]);
});

Deno.test("Log appends to its file, and makes it anew when it was moved away", async () => {
  const dir = await Deno.makeTempDir({ prefix: "redino_log_" });
  try {
    const file = `${dir}/redis.log`;
    await Deno.writeTextFile(file, "before\n");
    const log = new Log({ nowMs: () => NOW_MS, file });
    log.notice("first");
    await Deno.rename(file, `${file}.1`);
    log.notice("second");
    assertMatch(await Deno.readTextFile(`${file}.1`), /^before\n\d+:M .* \* first\n$/);
    assertMatch(await Deno.readTextFile(file), /^\d+:M .* \* second\n$/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("Log goes on where its file cannot be written", () => {
  new Log({ nowMs: () => NOW_MS, file: "/nonexistent/redis.log" }).warning("lost");
});
