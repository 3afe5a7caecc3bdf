import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { communityId } from '../../src/model/community-id.js';
import { State } from '../../src/model/row.js';
import { KeyKind } from '../../src/packet/key.js';
import { addressWords, batchOf, type TestRecord } from '../support/records.js';

const idOf = (record: TestRecord, seed = 0): string | undefined => communityId(batchOf([record]).words, 0, seed);

test('Community IDs are those of the specification', () => {
  const v4 = { a: '1.2.3.4', b: '5.6.7.8', portA: 1122, portB: 3344 };
  assert.equal(idOf({ ...v4, protocol: 6 }), '1:wCb3OG7yAFWelaUydu0D+125CLM=');
  assert.equal(idOf({ ...v4, protocol: 17 }), '1:0Mu9InQx6z4ZiCZM/7HXi2WMhOg=');
  assert.equal(idOf({ ...v4, protocol: 6 }, 1), '1:HhA1B+6CoLbiKPEs5nhNYN4XWfk=');
  const sctp = { a: '192.168.170.8', b: '192.168.170.56', protocol: 132, portA: 7, portB: 7 };
  assert.equal(idOf(sctp), '1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=');
  assert.equal(idOf({ a: '10.1.12.1', b: '10.1.12.2', protocol: 46 }), '1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=');
  assert.equal(
    idOf({
      a: '2607:f8b0:400c:c03::1a',
      b: '2001:470:e5bf:dead:4957:2174:e82c:4887',
      protocol: 6,
      portA: 25,
      portB: 63943,
    }),
    '1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=',
  );
});

test('ICMP requests and their replies share a Community ID, in either direction', () => {
  const ping: TestRecord = { a: '192.168.0.1', b: '192.168.0.89', protocol: 1, icmp: { type: 8, code: 0 } };
  // 192.168.0.89 asked: it is endpoint B.
  const expected = '1:X0snYXpgwiv9TZtqg64sgzUn6Dk=';
  assert.equal(idOf({ ...ping, initiatorB: true }), expected);
  // Only the answer of A was seen first.
  assert.equal(idOf({ ...ping, initiatorB: false, state: State.icmpReply }), expected);
  assert.notEqual(idOf({ ...ping, initiatorB: false }), expected);
  const neighbour: TestRecord = {
    a: 'fe80::200:86ff:fe05:80da',
    b: 'fe80::260:97ff:fe07:69ea',
    protocol: 58,
    icmp: { type: 135, code: 0 },
  };
  assert.equal(idOf(neighbour), '1:dGHyGvjMfljg6Bppwm3bg0LO8TY=');
  assert.equal(idOf({ ...neighbour, initiatorB: true }), '1:zavyT/cezQr1fmImYCwYnMXbgck=');
});

test('one-way ICMP is hashed in the direction it was sent', () => {
  const exceeded: TestRecord = { a: '10.0.0.1', b: '10.0.0.2', protocol: 1, icmp: { type: 11, code: 0 } };
  assert.equal(idOf(exceeded), '1:YHxtAirCG//0OzkcVAukqKQN9xM=');
  assert.notEqual(idOf({ ...exceeded, initiatorB: true, kind: KeyKind.reversed }), idOf(exceeded));
  const unreachable: TestRecord = {
    a: '3ffe:501:410:0:2c0:dfff:fe47:33e',
    b: '3ffe:507:0:1:200:86ff:fe05:80da',
    protocol: 58,
    icmp: { type: 1, code: 4 },
  };
  assert.equal(idOf(unreachable), '1:hLZd0XGWojozrvxqE0dWB1iM6R0=');
});

test('flows whose ports or protocol are not known have none', () => {
  const addresses = { a: '10.0.0.1', b: '10.0.0.2' };
  assert.equal(idOf({ ...addresses, protocol: 6 }), undefined);
  assert.equal(idOf({ ...addresses, protocol: 17, kind: KeyKind.orphanFragments }), undefined);
  assert.equal(idOf({ ...addresses, protocol: 0, kind: KeyKind.anyProtocol }), undefined);
  assert.equal(idOf({ ...addresses, protocol: 1 }), undefined);
  assert.notEqual(idOf({ ...addresses, protocol: 50, spi: 7 }), undefined);
});

test('the hash is that of node:crypto for any TCP flow, whichever end comes first', () => {
  const port = fc.nat(0xffff);
  const address = fc.oneof(
    fc.tuple(fc.ipV4(), fc.ipV4()),
    fc
      .tuple(fc.nat(0xffff), fc.nat(0xffff))
      .map(([x, y]) => [`2001:db8::${x.toString(16)}`, `2001:db8:1::${y.toString(16)}`]),
  );
  fc.assert(
    fc.property(address, port, port, port, ([a, b], portA, portB, seed) => {
      const endpoint = (text: string, number: number): Buffer => {
        const bytes = Buffer.alloc(18);
        const words = addressWords(text);
        for (const [k, word] of words.entries()) bytes.writeInt32BE(word, k * 4);
        bytes.writeUInt16BE(number, words.length * 4);
        return bytes.subarray(0, words.length * 4 + 2);
      };
      const ends = [endpoint(a, portA), endpoint(b, portB)].sort(Buffer.compare);
      const hash = createHash('sha1');
      hash.update(Buffer.from([seed >> 8, seed & 255]));
      hash.update(ends[0].subarray(0, -2)).update(ends[1].subarray(0, -2));
      hash
        .update(Buffer.from([6, 0]))
        .update(ends[0].subarray(-2))
        .update(ends[1].subarray(-2));
      const expected = `1:${hash.digest('base64')}`;
      assert.equal(idOf({ a, b, protocol: 6, portA, portB }, seed), expected);
      assert.equal(idOf({ a: b, b: a, protocol: 6, portA: portB, portB: portA }, seed), expected);
    }),
  );
});
