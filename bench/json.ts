import { closeSync, openSync } from 'node:fs';
import { JsonWriter } from '../src/export/json.js';
import { Output } from '../src/export/output.js';
import { recordMembers } from '../src/model/read-record.js';
import { PLAIN_LAYOUT, RecordBatch } from '../src/model/record-batch.js';
import { EndReason, REASON_SHIFT, Row, State } from '../src/model/row.js';
import { KeyKind } from '../src/packet/key.js';

/** Records per second of the JSON writer alone, to /dev/null: `node …/bench/json.js [RECORDS] [FIELDS]`. */
const total = Number(process.argv[2] ?? 1_000_000);
const wanted = process.argv[3]?.split(',');

/** A batch like those of a busy network: a third IPv6, mostly TCP, times that move on. */
function fillBatch(batch: RecordBatch, seed: number): void {
  let state = seed | 1;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
  const { words, layout } = batch;
  batch.count = batch.capacity;
  for (let index = 0; index < batch.count; index++) {
    const at = index * layout.stride;
    const version = index % 3 === 0 ? 6 : 4;
    for (let k = 0; k < 8; k++) words[at + k] = random();
    words[at + Row.b + 2] = 0;
    words[at + Row.ports] = random();
    words[at + Row.meta] = (index % 4 === 0 ? 17 : 6) | (version << 8) | KeyKind.ports;
    words[at + Row.state] = (index & 1 ? State.initiatorB : 0) | (EndReason.end << REASON_SHIFT);
    words[at + Row.startSeconds] = 1704067200 + (seed & 0xffff);
    words[at + Row.startNanos] = (random() >>> 0) % 1_000_000_000;
    words[at + Row.lastSeconds] = words[at + Row.startSeconds] + (random() & 31) + 1;
    words[at + Row.lastNanos] = (random() >>> 0) % 1_000_000_000;
    words[at + Row.tcpFlags] = 0x1b001b;
    words[at + Row.packetsA] = random() & 0xfff;
    words[at + Row.packetsB] = random() & 0xfff;
    words[at + Row.octetsA] = random() & 0xfffff;
    words[at + Row.octetsB] = random() & 0xffffff;
  }
}

const batches = Array.from({ length: 16 }, (_, k) => {
  const batch = new RecordBatch(PLAIN_LAYOUT);
  fillBatch(batch, k + 1);
  return batch;
});
const fd = openSync('/dev/null', 'w');
const output = new Output(fd, '/dev/null');
const members = recordMembers([], []).filter((field) => wanted === undefined || wanted.includes(field.name));
const writer = new JsonWriter(output, members);
const begin = process.hrtime.bigint();
let written = 0;
for (let k = 0; written < total; k++) {
  const batch = batches[k % batches.length];
  writer.write(batch);
  written += batch.count;
}
await writer.close();
const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
closeSync(fd);
console.log(
  `json: ${written} records, ${(output.written / 1e6).toFixed(0)} MB in ${seconds.toFixed(2)} s = ` +
    `${Math.round(written / seconds)} records/s`,
);
