import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AsyncBuffer, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { ParquetFormat, ROW_GROUP_ROWS } from '../../src/export/file/parquet-format.js';
import { packHybrid } from '../../src/export/file/parquet-page.js';
import type { RecordField } from '../../src/model/hook.js';
import { readMembers, recordMembers } from '../../src/model/read-record.js';
import { PLAIN_LAYOUT, RecordBatch } from '../../src/model/record-batch.js';
import { Row } from '../../src/model/row.js';

/** Of features: of each type, absent in some records; texts that are few, and texts of which hardly two are the same. */
const fields: readonly RecordField[] = (
  [
    ['few', 'string', (word) => `name ${word & 3}`],
    ['many', 'string', (word) => `“${word}”`],
    ['empty', 'string', () => ''],
    ['number', 'number', (word) => word / 3],
    ['flag', 'boolean', (word) => (word & 64) !== 0],
    ['list', 'list', (word) => [word, word & 15]],
    ['object', 'object', (word) => ({ word })],
  ] satisfies [string, RecordField['type'], (word: number) => unknown][]
).map(([name, type, value], k) => ({
  name,
  type,
  description: name,
  read(batch, index) {
    const word = batch.words[index * batch.layout.stride + k];
    return word % 3 === 0 ? undefined : value(word);
  },
}));

/** Any words; `kinds` different records, so that there are runs and repeats as well as none. */
function anyBatch(seed: number, count: number, kinds: number): RecordBatch {
  const layout = PLAIN_LAYOUT;
  const batch = new RecordBatch(layout, new ArrayBuffer(count * layout.stride * 4));
  for (let index = 0; index < count; index++) {
    let state = Math.imul(seed + (index >>> 4) * (index % kinds), 0x9e3779b1) | 1;
    const at = index * layout.stride;
    for (let k = 0; k < layout.stride; k++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      batch.words[at + k] = state;
    }
    for (const nanos of [Row.startNanos, Row.lastNanos]) batch.words[at + nanos] = batch.unsigned[at + nanos] % 1e9;
    // Doubles hold durations exactly up to 104 days.
    batch.words[at + Row.lastSeconds] =
      batch.words[at + Row.startSeconds] + (batch.unsigned[at + Row.lastSeconds] % 8e6);
    batch.words[at + Row.meta] = (batch.words[at + Row.meta] & ~0xff00) | ((index % 5 === 0 ? 6 : 4) << 8);
  }
  batch.count = count;
  return batch;
}

/** A file of Parquet, and what its counters of records say. */
function written(batches: readonly RecordBatch[], members: readonly RecordField[]): ArrayBuffer {
  const parts: Buffer[] = [];
  const format = new ParquetFormat(members, 0, (bytes) => parts.push(Buffer.from(bytes)));
  format.begin();
  for (const batch of batches) format.write(batch);
  format.end();
  return new Uint8Array(Buffer.concat(parts)).buffer;
}

/** A member as Parquet has it. */
function stored(field: RecordField, value: unknown): unknown {
  if (value === undefined) return undefined;
  switch (field.name) {
    case 'start':
    case 'end': {
      const text = value as string;
      return (BigInt(Date.parse(`${text.slice(0, 19)}Z`)) * 1_000_000n + BigInt(text.slice(20, 29))).toString();
    }
    case 'packets':
    case 'bytes':
    case 'reversePackets':
    case 'reverseBytes': {
      const count = BigInt(value as number);
      return (count > 2n ** 63n - 1n ? 2n ** 63n - 1n : count).toString();
    }
  }
  if (field.type === 'number') return Number(value);
  if (field.type === 'string' || field.type === 'boolean') return value;
  return JSON.parse(JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? Number(one) : one)));
}

function read(field: RecordField, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'bigint') return value.toString();
  return field.type === 'list' || field.type === 'object' ? JSON.parse(value as string) : value;
}

async function rowsOf(file: ArrayBuffer): Promise<Record<string, unknown>[]> {
  const parsers = { timestampFromNanoseconds: (nanos: bigint) => nanos.toString() };
  return parquetReadObjects({ file: file as unknown as AsyncBuffer, parsers: parsers as never });
}

test('what is written reads back as the members are, for any words', async () => {
  const members = recordMembers([], fields);
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.integer({ min: 1, max: 300 }),
      fc.constantFrom(1, 2, 50),
      async (seed, count, kinds) => {
        const batch = anyBatch(seed, count, kinds);
        const rows = await rowsOf(written([batch], members));
        assert.equal(rows.length, count);
        for (let index = 0; index < count; index++) {
          const record = readMembers(batch, index, members);
          for (const field of members) {
            assert.deepEqual(
              read(field, rows[index]?.[field.name]),
              stored(field, record[field.name]),
              `${field.name} of ${index}`,
            );
          }
        }
      },
    ),
    { numRuns: 30, includeErrorInReport: true },
  );
});

test('row groups: rows in order, bounds that hold for all values, nulls counted', async () => {
  const members = recordMembers([], fields);
  const batches = [1, 2, 3].map((seed) => anyBatch(seed, 10_000, 50));
  const file = written(batches, members);
  const rows = await rowsOf(file);
  const { row_groups: groups, num_rows } = parquetMetadata(file);
  assert.equal(num_rows, 30_000n);
  assert.deepEqual(groups.map((group) => Number(group.num_rows)).slice(0, 1), [ROW_GROUP_ROWS]);
  let from = 0;
  let seen = 0;
  for (const { columns, num_rows: count } of groups) {
    const part = rows.slice(from, from + Number(count));
    from += part.length;
    for (const { meta_data: data } of columns) {
      const values = part.map((row) => row[data!.path_in_schema[0]!]);
      const known = values.filter((value) => value !== undefined && value !== null);
      assert.equal(data!.statistics?.null_count, BigInt(values.length - known.length), data!.path_in_schema[0]);
      const { min_value: min, max_value: max } = data!.statistics ?? {};
      if (typeof min !== 'bigint' && typeof min !== 'number') continue;
      const numbers = known as (bigint | number)[];
      // Zeros of either sign are the same here.
      assert.ok(numbers.reduce((a, b) => (b < a ? b : a)) === (min === 0 ? 0 : min), 'least');
      assert.ok(numbers.reduce((a, b) => (b > a ? b : a)) === max, 'greatest');
      seen++;
    }
  }
  assert.ok(seen > 8, 'bounds');
  const records = batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, k) => readMembers(batch, k, members)),
  );
  assert.deepEqual(
    rows.map((row) => row.id),
    records.map((record) => record.id),
  );
});

test('numbers as runs and groups, of any width, unpack to themselves', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 16 }),
      fc.array(fc.tuple(fc.nat(0xffff), fc.integer({ min: 1, max: 20 })), { minLength: 1, maxLength: 30 }),
      (width, runs) => {
        const values = Uint16Array.from(
          runs.flatMap(([value, times]) => new Array<number>(times).fill(value & (2 ** width - 1))),
        );
        assert.deepEqual(unpack(packHybrid(values, values.length, width), values.length, width), [...values]);
      },
    ),
  );
});

/** Straight from the format's description (Encodings.md, "RLE / bit-packing hybrid"). */
function unpack(bytes: Uint8Array, count: number, width: number): number[] {
  const values: number[] = [];
  let at = 0;
  while (values.length < count) {
    let header = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      header |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if ((header & 1) === 0) {
      let value = 0;
      for (let shift = 0; shift < width; shift += 8) value |= bytes[at++]! << shift;
      for (let k = 0; k < header >>> 1; k++) values.push(value);
      continue;
    }
    const groups = header >>> 1;
    for (let k = 0; k < groups * 8; k++) {
      let value = 0;
      for (let bit = 0; bit < width; bit++) {
        const place = k * width + bit;
        value |= ((bytes[at + (place >>> 3)]! >>> (place & 7)) & 1) << bit;
      }
      values.push(value);
    }
    at += groups * width;
  }
  assert.equal(at, bytes.length);
  return values.slice(0, count);
}
