/**
 * Positions on the globe as 52-bit geohashes, which order a plane along a Z-shaped curve: longitude
 * and latitude are each cut into 2^26 steps, and the bits of the two numbers alternate, latitude's the
 * lower. What shares its leading bits lies in one cell, so a cell is a range of scores.
 *
 * The limits, the earth's radius and the formulas are Redis's (geohash.c, geohash_helper.c): results
 * must agree to the last digit shown. Angles are in degrees, distances in metres.
 */

export const MAX_LONGITUDE = 180;
/** Beyond this the map projection that web maps use ends. */
export const MAX_LATITUDE = 85.05112878;

/** Steps of a whole hash: each halves the cell in both directions. */
const MAX_STEP = 26;

const EARTH_RADIUS = 6372797.560856;
/** Half of the equator in that projection, about. */
const HALF_EQUATOR = 20037726.37;
const RADIAN = Math.PI / 180;
const TWO_32 = 2 ** 32;
const ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";
const STANDARD_MAX_LATITUDE = 90;
/** Letters of the standard hash that 52 bits fill. */
const FULL_LETTERS = 10;

export interface Position {
  readonly longitude: number;
  readonly latitude: number;
}

/** A cell of the grid that has 2^step columns and rows. */
export interface Cell {
  readonly x: number;
  readonly y: number;
  readonly step: number;
}

/** Where something reaches to. */
export interface Bounds {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

/** What a search looks in: a circle, or a box whose sides run along the meridians. */
export type Shape =
  & { readonly center: Position }
  & ({ readonly radius: number } | { readonly width: number; readonly height: number });

/** The score of a position within the limits. */
export function encodePosition({ longitude, latitude }: Position): number {
  return firstScore(cellAt(longitude, latitude, MAX_STEP, MAX_LATITUDE));
}

/**
 * The middle of the cell that a score means; any double means one: what is beyond 64 bits becomes what
 * the conversion to uint64_t of a C program on x86-64 makes of it.
 */
export function decodePosition(score: number): Position {
  const whole = score >= 2 ** 64 ? 0 : Math.trunc(Math.max(score, -(2 ** 63)));
  const low = whole >>> 0;
  const high = Math.floor(whole / TWO_32) >>> 0;
  const y = gather(low) + gather(high) * 0x10000;
  const x = gather(low >>> 1) + gather(high >>> 1) * 0x10000;
  const { west, south, east, north } = cellBounds({ x, y, step: MAX_STEP });
  return {
    longitude: clamp((west + east) / 2, MAX_LONGITUDE),
    latitude: clamp((south + north) / 2, MAX_LATITUDE),
  };
}

/** The hash of eleven letters that other programs use, which reckons with latitudes up to the poles. */
export function standardGeohash({ longitude, latitude }: Position): string {
  let rest = firstScore(cellAt(longitude, latitude, MAX_STEP, STANDARD_MAX_LATITUDE));
  // The last letter has no bits left but two, which Redis takes for zeros with the others.
  let text = ALPHABET[0]!;
  rest = Math.floor(rest / 4);
  for (let i = 0; i < FULL_LETTERS; i++) {
    text = ALPHABET[rest % 32]! + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

/** The distance over the globe, by the haversine formula. */
export function distanceBetween(a: Position, b: Position): number {
  return distance(a.longitude, a.latitude, b.longitude, b.latitude);
}

/** The distance of a position from a shape's center if it lies inside, else NaN. */
export function distanceInside(shape: Shape, { longitude, latitude }: Position): number {
  const { center } = shape;
  if ("radius" in shape) {
    const metres = distance(center.longitude, center.latitude, longitude, latitude);
    return metres <= shape.radius ? metres : NaN;
  }
  if (latitudeDistance(latitude, center.latitude) > shape.height / 2) return NaN;
  if (distance(longitude, latitude, center.longitude, latitude) > shape.width / 2) return NaN;
  return distance(center.longitude, center.latitude, longitude, latitude);
}

/**
 * The cells, nine at the most, that together cover a shape: the one with its center first. Neighbours
 * that the shape does not reach are left out.
 */
export function coveringCells(shape: Shape): Cell[] {
  const { longitude, latitude } = shape.center;
  const reach = boundsOf(shape);
  const radius = "radius" in shape ? shape.radius : Math.sqrt(
    (shape.width / 2) * (shape.width / 2) + (shape.height / 2) * (shape.height / 2),
  );
  let step = stepFor(radius, latitude);
  let cell = cellAt(longitude, latitude, step, MAX_LATITUDE);
  if (step > 1 && !reachesAround(cell, reach)) {
    step--;
    cell = cellAt(longitude, latitude, step, MAX_LATITUDE);
  }
  const own = cellBounds(cell);
  // In a grid of four cells the neighbours wrap around, and mean nothing by their direction.
  const all = step < 2;
  const west = all || own.west >= reach.west;
  const south = all || own.south >= reach.south;
  const east = all || own.east <= reach.east;
  const north = all || own.north <= reach.north;
  const cells = [cell];
  const add = (wanted: boolean, dx: number, dy: number) => {
    if (!wanted) return;
    const next = neighbour(cell, dx, dy);
    const last = cells.at(-1)!;
    // In a small grid two neighbours in a row may be the same cell.
    if (next.x !== last.x || next.y !== last.y) cells.push(next);
  };
  add(north, 0, 1);
  add(south, 0, -1);
  add(east, 1, 0);
  add(west, -1, 0);
  add(north && east, 1, 1);
  add(north && west, -1, 1);
  add(south && east, 1, -1);
  add(south && west, -1, -1);
  return cells;
}

/** The lowest score in a cell; that of the next cell on the curve is {@link scoreSpan} above. */
export function firstScore({ x, y, step }: Cell): number {
  const low = (spread(y) | spread(x) << 1) >>> 0;
  const high = (spread(y >>> 16) | spread(x >>> 16) << 1) >>> 0;
  return (high * TWO_32 + low) * 2 ** (2 * (MAX_STEP - step));
}

/** How many scores a cell of this step has. */
export function scoreSpan(step: number): number {
  return 2 ** (2 * (MAX_STEP - step));
}

// ---- cells -----------------------------------------------------------------------------------------

function cellAt(longitude: number, latitude: number, step: number, maxLatitude: number): Cell {
  const steps = 2 ** step;
  const x = Math.trunc((longitude + MAX_LONGITUDE) / (2 * MAX_LONGITUDE) * steps) >>> 0;
  const y = Math.trunc((latitude + maxLatitude) / (maxLatitude + maxLatitude) * steps) >>> 0;
  return { x, y, step };
}

function cellBounds({ x, y, step }: Cell): Bounds {
  const steps = 2 ** step;
  return {
    west: -MAX_LONGITUDE + (x / steps) * (2 * MAX_LONGITUDE),
    east: -MAX_LONGITUDE + ((x + 1) / steps) * (2 * MAX_LONGITUDE),
    south: -MAX_LATITUDE + (y / steps) * (2 * MAX_LATITUDE),
    north: -MAX_LATITUDE + ((y + 1) / steps) * (2 * MAX_LATITUDE),
  };
}

/**
 * The cell beside another one; the grid has no end. On its very edge (180 degrees east) a cell lies
 * one outside, and stays there unless the step leads along that direction.
 */
function neighbour({ x, y, step }: Cell, dx: number, dy: number): Cell {
  const mask = 2 ** step - 1;
  return {
    x: dx === 0 ? x : (x + dx) & mask,
    y: dy === 0 ? y : (y + dy) & mask,
    step,
  };
}

/** The smallest cells of which three in a row surely cover a circle of this radius. */
function stepFor(radius: number, latitude: number): number {
  if (radius === 0) return MAX_STEP;
  let step = -1;
  for (; radius < HALF_EQUATOR; radius *= 2) step++;
  // Towards the poles a degree of longitude is shorter.
  if (Math.abs(latitude) > 66) step--;
  if (Math.abs(latitude) > 80) step--;
  return Math.min(MAX_STEP, Math.max(1, step));
}

/** Whether a cell and its four neighbours reach as far as the bounds. */
function reachesAround(cell: Cell, reach: Bounds): boolean {
  return cellBounds(neighbour(cell, 0, 1)).north >= reach.north &&
    cellBounds(neighbour(cell, 0, -1)).south <= reach.south &&
    cellBounds(neighbour(cell, 1, 0)).east >= reach.east &&
    cellBounds(neighbour(cell, -1, 0)).west <= reach.west;
}

/** How far a shape reaches, by the meridians where they are nearest to each other. */
function boundsOf(shape: Shape): Bounds {
  const { longitude, latitude } = shape.center;
  const height = "radius" in shape ? shape.radius : shape.height / 2;
  const width = "radius" in shape ? shape.radius : shape.width / 2;
  const latitudeDelta = height / EARTH_RADIUS / RADIAN;
  const edge = latitude < 0 ? latitude - latitudeDelta : latitude + latitudeDelta;
  const longitudeDelta = width / EARTH_RADIUS / Math.cos(edge * RADIAN) / RADIAN;
  return {
    west: longitude - longitudeDelta,
    east: longitude + longitudeDelta,
    south: latitude - latitudeDelta,
    north: latitude + latitudeDelta,
  };
}

function distance(lon1: number, lat1: number, lon2: number, lat2: number): number {
  const v = Math.sin((lon2 * RADIAN - lon1 * RADIAN) / 2);
  if (v === 0) return latitudeDistance(lat1, lat2);
  const lat1r = lat1 * RADIAN;
  const lat2r = lat2 * RADIAN;
  const u = Math.sin((lat2r - lat1r) / 2);
  const a = u * u + Math.cos(lat1r) * Math.cos(lat2r) * v * v;
  return 2 * EARTH_RADIUS * Math.asin(Math.sqrt(a));
}

function latitudeDistance(lat1: number, lat2: number): number {
  return EARTH_RADIUS * Math.abs(lat2 * RADIAN - lat1 * RADIAN);
}

function clamp(value: number, limit: number): number {
  return Math.min(limit, Math.max(-limit, value));
}

/** The lower 16 bits of a number at the even places of 32. */
function spread(value: number): number {
  value &= 0xffff;
  value = (value | value << 8) & 0x00ff00ff;
  value = (value | value << 4) & 0x0f0f0f0f;
  value = (value | value << 2) & 0x33333333;
  return (value | value << 1) & 0x55555555;
}

/** The bits at the even places of 32, as a number of 16. */
function gather(value: number): number {
  value &= 0x55555555;
  value = (value | value >>> 1) & 0x33333333;
  value = (value | value >>> 2) & 0x0f0f0f0f;
  value = (value | value >>> 4) & 0x00ff00ff;
  return (value | value >>> 8) & 0xffff;
}
