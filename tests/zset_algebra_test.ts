import { compare, startPair, type Step } from "./support/differential.ts";
import { redisTest } from "./support/skip.ts";

redisTest("ZINTER and ZUNION take an infinity times 0 for what Redis takes it for", async () => {
  const steps: Step[] = [
    ["ZADD", "low", "-inf", "m"],
    ["ZADD", "high", "inf", "m", "1", "other"],
    ["ZADD", "five", "5", "m"],
    ["SADD", "plain", "m"],
  ];
  const sources = [
    ["five", "low"],
    ["low", "five"],
    ["low", "low"],
    ["plain", "low"],
    ["high", "plain"],
    ["five", "five", "low"],
    ["low", "high", "five"],
    ["high", "high", "low"],
  ];
  for (const names of sources) {
    for (const first of ["1", "-1", "0", "inf"]) {
      for (const last of ["0", "-0", "1", "-inf"]) {
        const weights = names.map((_, i) => i === 0 ? first : last);
        for (const aggregate of ["SUM", "MIN", "MAX"]) {
          const how = [names.length, ...names, "WEIGHTS", ...weights, "AGGREGATE", aggregate];
          steps.push(
            ["ZINTER", ...how, "WITHSCORES"],
            ["ZUNION", ...how, "WITHSCORES"],
            ["ZINTERSTORE", "to", ...how],
            ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
          );
        }
      }
    }
  }
  for (const config of [{}, { "zset-max-listpack-entries": 0 }]) {
    await using pair = await startPair({ config });
    await compare(pair, steps);
  }
});
