import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CsvWriter } from '../../src/export/csv.js';
import type { RecordField } from '../../src/model/hook.js';
import { recordMembers } from '../../src/model/read-record.js';
import type { RecordBatch } from '../../src/model/record-batch.js';
import { collector } from '../support/collector.js';
import { batchOf, DESIGN_RECORD } from '../support/records.js';

async function csvOf(batch: RecordBatch, members: readonly RecordField[]): Promise<string> {
  const { output, text } = collector();
  const writer = new CsvWriter(output, members);
  if (batch.count > 0) writer.write(batch);
  await writer.close();
  return text();
}

/** Reader of RFC 4180, written plainly as an oracle. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      at++;
      while (text[at] !== '"' || text[at + 1] === '"') {
        if (text[at] === '"') at++;
        cell += text[at++];
      }
      at++;
    } else while (at < text.length && text[at] !== ',' && text[at] !== '\r') cell += text[at++];
    row.push(cell);
    if (text[at] === ',') {
      at++;
      if (text[at] === '\r') row.push('');
    }
    if (text[at] === '\r') {
      assert.equal(text[at + 1], '\n');
      rows.push(row);
      row = [];
      at += 2;
    }
  }
  return rows;
}

const members = recordMembers([], []);

test('a header, then a line for each record; absent is empty, objects are JSON', async () => {
  const icmp = { a: '10.0.0.1', b: '10.0.0.2', protocol: 1, icmp: { type: 8, code: 0 } };
  const text = await csvOf(batchOf([DESIGN_RECORD, icmp]), members);
  const lines = text.split('\r\n');
  assert.equal(
    lines[0],
    'id,start,end,duration,src,srcPort,dst,dstPort,proto,icmp,spi,packets,bytes,reversePackets,reverseBytes,tcpFlags,' +
      'reverseTcpFlags,endReason,fragmented,icmpErrors,about,communityId',
  );
  assert.equal(
    lines[1],
    '7c3bfb9d894e8a29,2024-01-01T00:00:00.001365000Z,2024-01-01T00:00:12.500000000Z,12.498635,10.0.0.1,51000,192.0.2.7,' +
      '443,tcp,,,10,1234,8,43210,FSPA,FSPA,end,,,,1:K5s7V+4fIWYmlCzcRtOao8EFaQ0=',
  );
  assert.ok(lines[2].includes(',icmp,"{""type"":8,""code"":0}",,'));
  assert.equal(lines.length, 4);
  assert.equal(lines[3], '');
});

test('no records: the header alone', async () => {
  assert.equal(await csvOf(batchOf([]), members.slice(0, 2)), 'id,start\r\n');
});

test('any text comes back', async () => {
  const text = fc.string({ unit: 'binary' });
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 4 }), async (texts) => {
      const fields = texts.map(
        (value, k): RecordField => ({ name: `f,${k}"`, description: '', type: 'string', read: () => value }),
      );
      const rows = parseCsv(await csvOf(batchOf([DESIGN_RECORD]), fields));
      assert.deepEqual(rows, [
        fields.map((field) => field.name),
        // UTF-8 has no lone surrogates.
        texts.map((value) => Buffer.from(value).toString()),
      ]);
    }),
  );
});
