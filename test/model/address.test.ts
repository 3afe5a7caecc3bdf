import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipv4Text, ipv6Text } from '../../src/model/address.js';
import { addressWords } from '../support/records.js';

const words = (text: string): [number, number, number, number] =>
  addressWords(text) as [number, number, number, number];

test('IPv4 addresses are dotted decimal', () => {
  assert.equal(ipv4Text(0), '0.0.0.0');
  assert.equal(ipv4Text(-1), '255.255.255.255');
  assert.equal(ipv4Text(0x0a000001), '10.0.0.1');
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      assert.equal(ipv4Text(addressWords(text)[0]), text);
      assert.ok(isIPv4(text));
    }),
  );
});

test('IPv6 addresses are written as RFC 5952 wants', () => {
  const cases: [string, string][] = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    // §4.2.2: one group of zeros is not shortened.
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    // §4.2.3: the longest run; of equal ones the first.
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:1:0:0:1:0:0', '::1:0:0:1:0:0'],
    ['FE80:0:0:0:0200:86FF:FE05:80DA', 'fe80::200:86ff:fe05:80da'],
    ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    // §5: the prefix of IPv4-mapped addresses is well known.
    ['0:0:0:0:0:ffff:c000:0201', '::ffff:192.0.2.1'],
    ['0:0:0:0:ffff:0:c000:0201', '::ffff:0:c000:201'],
  ];
  for (const [full, short] of cases) assert.equal(ipv6Text(...words(full)), short);
});

test('IPv6 text agrees with the URL parser', () => {
  const group = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(0xffff));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const full = groups.map((value) => value.toString(16)).join(':');
      const text = ipv6Text(...words(full));
      assert.ok(isIPv6(text));
      const mapped = groups.slice(0, 5).every((value) => value === 0) && groups[5] === 0xffff;
      if (!mapped) assert.equal(`[${text}]`, new URL(`http://[${full}]/`).hostname);
    }),
    { numRuns: 500 },
  );
});
