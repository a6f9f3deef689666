/**
 * The numbers of the RDB format: what snapshot files, full synchronisations and DUMP payloads are
 * made of.
 *
 * A file is `REDIS` and a version of four digits, then records, each opened by a byte: an opcode
 * below, or the value type of a key, which its key and value follow. What is told of a key (expiry,
 * idle time, frequency) stands before it. EOF and a CRC-64 end it. Strings have a length before them,
 * and integers but for those in strings are big endian in lengths and little endian elsewhere.
 */

export const RDB_MAGIC = "REDIS";
/** The version written: Redis 7.0's, which every 7.x and Valkey load. */
export const RDB_VERSION = 10;
/** The newest version read: Redis 7.4's, which only has more types than 7.2's. */
export const RDB_NEWEST = 12;
/** Bytes of magic and version. */
export const RDB_HEADER_BYTES = 9;
/** Bytes after a DUMP payload's value: the version in two, and the CRC-64 of all before it. */
export const DUMP_FOOTER_BYTES = 10;

export const OPCODE = {
  /** Redis 7.4: slot, its size and its volatile keys, of a cluster. */
  slotInfo: 244,
  /** A function library's source. */
  function2: 245,
  /** As 7.0's release candidates wrote it, which nobody loads any more. */
  functionPreGa: 246,
  moduleAux: 247,
  /** Seconds since the last access, a length. */
  idle: 248,
  /** LFU counter, a byte. */
  freq: 249,
  /** Two strings: field and value. */
  aux: 250,
  /** Two lengths: keys of the database, and those that have an expiry. */
  resizeDb: 251,
  /** Milliseconds since the epoch in 8 bytes. */
  expireTimeMs: 252,
  /** Seconds in 4 bytes. */
  expireTime: 253,
  selectDb: 254,
  eof: 255,
} as const;

/** How the value after a key is written. */
export const RDB_TYPE = {
  string: 0,
  /** A length, then that many strings … */
  list: 1,
  set: 2,
  /** … with scores as text, each with a length byte … */
  zset: 3,
  /** … fields and values … */
  hash: 4,
  /** … scores as doubles of 8 bytes. */
  zset2: 5,
  modulePreGa: 6,
  module2: 7,
  /** From here on one string that is the whole value in its compact form. */
  hashZipmap: 9,
  listZiplist: 10,
  setIntset: 11,
  zsetZiplist: 12,
  hashZiplist: 13,
  /** A length, then that many ziplists. */
  listQuicklist: 14,
  streamListpacks: 15,
  hashListpack: 16,
  zsetListpack: 17,
  /** A length, then that many nodes: a container ({@link NODE}) and a string. */
  listQuicklist2: 18,
  /** Type 15 with first ID, greatest deleted ID, entries added, and entries read of groups. */
  streamListpacks2: 19,
  /** RDB 11, Redis 7.2. */
  setListpack: 20,
  /** Type 19 with consumers' active times; RDB 11, Redis 7.2. */
  streamListpacks3: 21,
} as const;

/** Containers of a quicklist's nodes. */
export const NODE = { plain: 1, packed: 2 } as const;

/**
 * Lengths: the top two bits of the first byte say how they go on. The lower six are the length, its
 * upper bits, which of the two long forms it is, or how a string is encoded ({@link STRING}).
 */
export const LENGTH = {
  bits6: 0x00,
  bits14: 0x40,
  /** The whole first byte; 4 or 8 bytes in big endian follow. */
  bits32: 0x80,
  bits64: 0x81,
  encoded: 0xc0,
} as const;

/** Encodings of strings, in the lower six bits: integers in little endian, or LZF's lengths and bytes. */
export const STRING = { int8: 0, int16: 1, int32: 2, lzf: 3 } as const;

/** What the parts of a module's value are opened by. */
export const MODULE_PART = { eof: 0, sint: 1, uint: 2, float: 3, double: 4, string: 5 } as const;
