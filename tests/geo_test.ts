import { assert, assertEquals } from "@std/assert";
import {
  coveringCells,
  decodePosition,
  distanceInside,
  encodePosition,
  firstScore,
  MAX_LATITUDE,
  MAX_LONGITUDE,
  type Position,
  scoreSpan,
  type Shape,
} from "../lib/bytes/geohash.ts";
import { type Command, compare, startPair, type Step, unordered } from "./support/differential.ts";
import { compareEffects } from "./support/effects.ts";
import { type Rng, seeded } from "./support/rng.ts";
import { redisTest } from "./support/skip.ts";

const SIZES = { small: {}, large: { "zset-max-listpack-entries": 0 } } as const;

async function same(steps: readonly Step[]): Promise<void> {
  for (const config of Object.values(SIZES)) {
    for (const protocol of [2, 3] as const) {
      await using pair = await startPair({ protocol, config });
      await compare(pair, steps);
    }
  }
}

// deno-fmt-ignore
const SICILY = [
  "GEOADD", "g", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania", "13.583333", "37.316667",
  "Agrigento", "12.5", "37.8", "12", "14.1", "37.6", "Enna",
];

redisTest("GEOADD, GEOPOS, GEODIST and GEOHASH answer as Redis does", () =>
  same([
    SICILY,
    ["SET", "s", "x"],
    ["ZRANGE", "g", "0", "-1", "WITHSCORES"],
    ["GEOADD", "g", "NX", "1", "1", "Enna", "2", "2", "new"],
    ["GEOADD", "g", "XX", "CH", "1", "1", "Enna", "3", "3", "none"],
    ["GEOADD", "g", "CH", "1", "1", "Enna", "4", "4", "newer"],
    ["GEOADD", "edge", "180", "85.05112878", "ne", "-180", "-85.05112878", "sw", "0", "0", "zero"],
    ["GEOADD", "edge", "-0", "-0", "minus", "1e-7", "-1e-7", "near", "0x10", "5", "hex"],
    ["ZRANGE", "edge", "0", "-1", "WITHSCORES"],
    ["GEOPOS", "edge", "ne", "sw", "zero", "minus", "near"],
    ["GEOHASH", "edge", "ne", "sw", "zero", "minus", "near"],
    ["GEOPOS", "g", "Palermo", "no", "12", "Catania"],
    ["GEOPOS", "g"],
    ["GEOPOS", "none", "a", "b"],
    ["GEOPOS", "s", "a"],
    ["GEOHASH", "g", "Palermo", "no", "12", "Catania"],
    ["GEOHASH", "g"],
    ["GEOHASH", "none", "a"],
    ["GEOHASH", "s", "a"],
    ["GEODIST", "g", "Palermo", "Catania"],
    ["GEODIST", "g", "Palermo", "Palermo"],
    ...["m", "KM", "Ft", "mi"].map((unit) => ["GEODIST", "g", "Palermo", "12", unit]),
    ["GEODIST", "g", "Palermo", "no"],
    ["GEODIST", "g", "no", "Palermo"],
    ["GEODIST", "none", "a", "b"],
    ["GEODIST", "s", "a", "b"],
    ["GEODIST", "s", "a", "b", "yd"],
    ["GEODIST", "g", "Palermo", "Catania", "m", "m"],
    ["GEODIST", "g", "Palermo"],
    ["ZADD", "scores", "1", "a", "1.5", "b", "4503599627370495", "c", "4503599627370496", "d"],
    ["GEOPOS", "scores", "a", "b", "c", "d"],
    ["GEOHASH", "scores", "a", "b", "c", "d"],
  ]));

redisTest("scores that no position has mean what they mean to Redis", () =>
  same([
    ["ZADD", "g", "inf", "a", "-inf", "b", "-1e300", "c", "-1", "d", "9007199254740993", "e"],
    ["ZADD", "g", "1e15", "f", "9.3e18", "g", "-9.2e18", "h", "1.5", "i"],
    ["GEOPOS", "g", ..."abcdefghi"],
    ...[..."bcdefghi"].map((member) => ["GEODIST", "g", "a", member]),
    ["GEOHASH", "g", ..."abcdefghi"],
  ]));

redisTest("GEOADD refuses what Redis refuses", () =>
  same([
    ["SET", "s", "x"],
    ["GEOADD", "g", "1", "1", "a", "2"],
    ["GEOADD", "g", "NX", "XX", "1", "1", "a"],
    ["GEOADD", "g", "NX", "CH", "XX"],
    ["GEOADD", "g", "NX", "CH", "NX"],
    ["GEOADD", "g", "GT", "1", "1", "a"],
    ["GEOADD", "g", "x", "1", "a"],
    ["GEOADD", "g", "1", "x", "a"],
    ["GEOADD", "g", "181", "x", "a"],
    ["GEOADD", "g", "1", "1", "a", "180.1", "1", "b"],
    ["GEOADD", "g", "1", "85.0512", "a"],
    ["GEOADD", "g", "1", "-inf", "a"],
    ["GEOADD", "g", "1e25", "1e300", "a"],
    ["GEOADD", "g", "-0", "91", "a"],
    ["GEOADD", "g", "181", "-0", "a"],
    ["GEOADD", "g", "-1e-9", "-91", "a"],
    ["GEOADD", "g", "nan", "1", "a"],
    ["EXISTS", "g"],
    ["GEOADD", "s", "1", "1", "a"],
    ["GEOADD", "s", "1", "100", "a"],
    ["GEOADD", "none", "XX", "1", "1", "a"],
    ["GEOADD", "g", "1", "1"],
  ]));

const WITH = [[], ["WITHDIST"], ["WITHCOORD", "WITHHASH"], ["WITHHASH", "WITHDIST", "WITHCOORD"]];
const ORDERS = [["ASC"], ["DESC"], ["COUNT", "2"], ["COUNT", "2", "DESC"], ["COUNT", "10", "ASC"]];

redisTest("GEOSEARCH and GEORADIUS answer as Redis does", async () => {
  const steps: Step[] = [SICILY, ["SET", "s", "x"]];
  const froms = [["FROMLONLAT", "15", "37"], ["FROMMEMBER", "Palermo"], ["FROMMEMBER", "12"]];
  const bys = [
    ["BYRADIUS", "200", "km"],
    ["BYRADIUS", "0", "m"],
    ["BYRADIUS", "100", "MI"],
    ["BYRADIUS", "30000", "km"],
    ["BYBOX", "400", "200", "km"],
    ["BYBOX", "500000", "900000.5", "ft"],
  ];
  for (const from of froms) {
    for (const by of bys) {
      for (const shown of WITH) {
        steps.push(unordered(["GEOSEARCH", "g", ...from, ...by, ...shown]));
        for (const order of ORDERS) {
          steps.push(["GEOSEARCH", "g", ...by, ...order, ...from, ...shown]);
        }
      }
    }
  }
  for (const shown of WITH) {
    for (const order of ORDERS) {
      steps.push(
        ["GEORADIUS", "g", "15", "37", "200", "km", ...shown, ...order],
        ["GEORADIUS_RO", "g", "15", "37", "200", "km", ...shown, ...order],
        ["GEORADIUSBYMEMBER", "g", "Enna", "80", "mi", ...shown, ...order],
        ["GEORADIUSBYMEMBER_RO", "g", "Enna", "80", "mi", ...shown, ...order],
      );
    }
  }
  await same(steps);
});

redisTest("Geo searches refuse what Redis refuses", async () => {
  const steps: Step[] = [SICILY, ["SET", "s", "x"]];
  for (const key of ["g", "s", "none"]) {
    const circle = ["FROMLONLAT", "15", "37", "BYRADIUS", "200", "km", "ASC"];
    const searches: Command[] = [
      circle,
      ["FROMLONLAT", "15", "37", "BYRADIUS", "-1", "km"],
      ["FROMLONLAT", "15", "37", "BYRADIUS", "x", "km"],
      ["FROMLONLAT", "15", "37", "BYRADIUS", "1", "yd"],
      ["FROMLONLAT", "15", "x", "BYRADIUS", "1", "km"],
      ["FROMLONLAT", "15", "99", "BYRADIUS", "1", "km"],
      ["FROMMEMBER", "no", "BYRADIUS", "1", "km", "ASC"],
      ["FROMMEMBER", "no", "FROMLONLAT", "1", "2", "x"],
      ["FROMLONLAT", "1", "2", "FROMMEMBER", "Enna", "x"],
      ["BYRADIUS", "1", "km", "BYBOX", "1", "1", "km"],
      ["BYBOX", "1", "1", "km", "BYRADIUS", "1", "km"],
      ["BYRADIUS", "1", "km", "ASC", "ASC"],
      ["FROMLONLAT", "15", "37", "ASC", "DESC"],
      ["FROMLONLAT", "15", "37", "BYBOX", "-1", "2", "km"],
      ["FROMLONLAT", "15", "37", "BYBOX", "1", "-2", "km"],
      ["FROMLONLAT", "15", "37", "BYBOX", "x", "2", "km"],
      ["FROMLONLAT", "15", "37", "BYBOX", "1", "x", "km"],
      ["FROMLONLAT", "15", "37", "BYBOX", "1", "2", "x"],
      ["FROMLONLAT", "15", "37", "BYBOX", "1", "2"],
      [...circle, "COUNT", "0"],
      [...circle, "COUNT", "-1"],
      [...circle, "COUNT", "x"],
      [...circle, "COUNT"],
      [...circle, "ANY"],
      [...circle, "WITHDIST", "NO"],
      [...circle, "STORE", "to"],
      [...circle, "STOREDIST"],
      [...circle, "STOREDIST", "to"],
    ];
    for (const search of searches) {
      steps.push(["GEOSEARCH", key, ...search], ["geosearchstore", "to", key, ...search]);
    }
    steps.push(["GEOSEARCHSTORE", "to", key, ...circle, "WITHHASH"]);
    const rests: Command[] = [
      ["1", "km", "ASC"],
      ["-1", "km"],
      ["x", "km"],
      ["1", "yd"],
      ["1", "km", "ANY"],
      ["1", "km", "COUNT", "0"],
      ["1", "km", "COUNT"],
      ["1", "km", "STORE"],
      ["1", "km", "STORE", "to"],
      ["1", "km", "STOREDIST", "to"],
      ["1", "km", "STORE", "to", "WITHDIST"],
      ["1", "km", "FROMMEMBER", "Enna"],
    ];
    for (const rest of rests) {
      for (const suffix of ["", "_RO"]) {
        steps.push(
          [`GEORADIUS${suffix}`, key, "15", "37", ...rest],
          [`GEORADIUS${suffix}`, key, "x", "37", ...rest],
          [`GEORADIUSBYMEMBER${suffix}`, key, "Enna", ...rest],
          [`GEORADIUSBYMEMBER${suffix}`, key, "no", ...rest],
        );
      }
    }
  }
  await same(steps);
});

redisTest("Geo searches store what Redis stores", () =>
  same([
    SICILY,
    ["SET", "s", "x"],
    ["GEOSEARCHSTORE", "to", "g", "FROMMEMBER", "Enna", "BYRADIUS", "100", "km"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["OBJECT", "ENCODING", "to"],
    ["GEOSEARCHSTORE", "to", "g", "FROMMEMBER", "Enna", "BYRADIUS", "500", "km", "COUNT", "2"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["GEOSEARCHSTORE", "s", "g", "FROMMEMBER", "Enna", "BYBOX", "500", "300", "km", "STOREDIST"],
    ["ZRANGE", "s", "0", "-1"],
    ["GEOSEARCHSTORE", "to", "g", "FROMLONLAT", "1", "1", "BYRADIUS", "1", "km"],
    ["EXISTS", "to"],
    ["GEORADIUS", "g", "15", "37", "200", "km", "STORE", "to"],
    ["ZRANGE", "to", "0", "-1", "WITHSCORES"],
    ["GEORADIUSBYMEMBER", "g", "Enna", "200", "km", "STOREDIST", "g", "DESC", "COUNT", "3"],
    ["ZRANGE", "g", "0", "-1"],
    ["GEORADIUS", "none", "15", "37", "200", "km", "STORE", "to"],
    ["EXISTS", "to"],
    ["GEOSEARCHSTORE", "g", "none", "FROMMEMBER", "x", "BYRADIUS", "1", "m"],
    ["EXISTS", "g"],
  ]));

redisTest("Geo commands tell of changes as Redis does", () =>
  compareEffects([
    SICILY,
    SICILY,
    ["GEOADD", "g", "CH", "1", "1", "Enna", "2", "2", "new"],
    ["GEOSEARCHSTORE", "to", "g", "FROMMEMBER", "Palermo", "BYRADIUS", "300", "km"],
    ["GEOSEARCHSTORE", "to", "g", "FROMLONLAT", "50", "50", "BYRADIUS", "1", "km"],
    ["GEORADIUS", "g", "15", "37", "200", "km", "STORE", "to"],
    ["GEORADIUS", "none", "15", "37", "200", "km", "STORE", "to"],
    ["GEORADIUS", "none", "15", "37", "200", "km", "STORE", "to"],
    ["GEOSEARCH", "none", "FROMMEMBER", "Palermo", "BYRADIUS", "300", "km"],
    ["GEOPOS", "none", "a"],
    ["GEODIST", "none", "a", "b"],
    ["GEOHASH", "none", "a"],
  ]));

/** A position anywhere, or near the limits, or near another one. */
function anyPosition(rng: Rng, near?: Position): Position {
  const spread = rng.pick([1e-4, 0.01, 1, 30]);
  const longitude = near !== undefined && rng.oneIn(2)
    ? near.longitude + (rng.float() - 0.5) * spread
    : rng.oneIn(6)
    ? rng.pick([-180, 180, 0, 179.9999])
    : (rng.float() - 0.5) * 360;
  const latitude = near !== undefined && rng.oneIn(2)
    ? near.latitude + (rng.float() - 0.5) * spread
    : rng.oneIn(6)
    ? rng.pick([-MAX_LATITUDE, MAX_LATITUDE, 0, 80.5, -66.5])
    : (rng.float() - 0.5) * 2 * MAX_LATITUDE;
  return {
    longitude: Math.max(-MAX_LONGITUDE, Math.min(MAX_LONGITUDE, longitude)),
    latitude: Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude)),
  };
}

redisTest(
  "Positions, distances and searches at random are what Redis has",
  () =>
    seeded(async (rng) => {
      for (const config of [{}, { "zset-max-listpack-entries": 600 }]) {
        await using pair = await startPair({ config });
        const hub = anyPosition(rng);
        const add: string[] = ["GEOADD", "g"];
        for (let i = 0; i < 500; i++) {
          const { longitude, latitude } = anyPosition(rng, hub);
          add.push(String(longitude), String(latitude), `m${i}`);
        }
        const member = () => `m${rng.int(0, 499)}`;
        const steps: Step[] = [add, ["ZRANGE", "g", "0", "-1", "WITHSCORES"]];
        for (let i = 0; i < 300; i++) {
          const { longitude, latitude } = anyPosition(rng, hub);
          const from = rng.oneIn(2)
            ? ["FROMMEMBER", member()]
            : ["FROMLONLAT", String(longitude), String(latitude)];
          const length = () => String(10 ** rng.int(0, 7) * rng.float());
          const by = rng.oneIn(2)
            ? ["BYRADIUS", length(), "m"]
            : ["BYBOX", length(), length(), "m"];
          steps.push(
            ["GEOPOS", "g", member(), member()],
            ["GEOHASH", "g", member(), member()],
            ["GEODIST", "g", member(), member(), rng.pick(["m", "km", "ft", "mi"])],
            unordered(["GEOSEARCH", "g", ...from, ...by, "WITHDIST", "WITHCOORD"]),
            ["GEOSEARCHSTORE", "to", "g", ...from, ...by],
            ["ZCARD", "to"],
          );
        }
        await compare(pair, steps);
      }
    }),
);

redisTest("COUNT with ANY takes members in the order of Redis", () =>
  seeded(async (rng) => {
    await using pair = await startPair();
    const hub: Position = { longitude: 10, latitude: 20 };
    const add: string[] = ["GEOADD", "g"];
    for (let i = 0; i < 300; i++) {
      const { longitude, latitude } = anyPosition(rng, hub);
      add.push(String(longitude), String(latitude), `m${i}`);
    }
    const steps: Step[] = [add];
    for (let i = 0; i < 60; i++) {
      const radius = String(10 ** rng.int(2, 7) * rng.float());
      const count = String(rng.int(1, 20));
      const by = ["FROMLONLAT", "10", "20", "BYRADIUS", radius, "m"];
      steps.push(
        ["GEOSEARCH", "g", ...by, "COUNT", count, "ANY"],
        ["GEOSEARCH", "g", ...by],
      );
    }
    await compare(pair, steps);
  }));

Deno.test("A position comes back from its score to within a cell", () =>
  seeded((rng) => {
    for (let i = 0; i < 2000; i++) {
      const position = anyPosition(rng);
      const back = decodePosition(encodePosition(position));
      const cell = 360 / 2 ** 26;
      assert(Math.abs(back.longitude - position.longitude) <= cell);
      assert(Math.abs(back.latitude - position.latitude) <= cell);
    }
  }));

Deno.test("The covering cells hold what lies inside a circle of some size", () =>
  seeded((rng) => {
    let inside = 0;
    for (let i = 0; i < 3000; i++) {
      // Away from the antimeridian and the poles, where Redis's cells leave gaps as well.
      const center = { longitude: (rng.float() - 0.5) * 200, latitude: (rng.float() - 0.5) * 120 };
      const shape: Shape = { center, radius: 10 ** (rng.float() * 5 + 1) };
      const reach = shape.radius / 60_000;
      const position = decodePosition(encodePosition({
        longitude: center.longitude + (rng.float() - 0.5) * 2 * reach,
        latitude: center.latitude + (rng.float() - 0.5) * 2 * reach,
      }));
      if (Number.isNaN(distanceInside(shape, position))) continue;
      inside++;
      const score = encodePosition(position);
      const cells = coveringCells(shape);
      const holds = cells.filter((cell) => {
        const first = firstScore(cell);
        return score >= first && score < first + scoreSpan(cell.step);
      });
      assertEquals(holds.length, 1);
    }
    assert(inside > 100);
  }));
