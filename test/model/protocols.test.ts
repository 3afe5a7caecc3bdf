import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PROTOCOL_NAMES } from '../../src/model/protocols.js';

test('every protocol has a name, and no two the same', () => {
  assert.equal(PROTOCOL_NAMES.length, 256);
  assert.equal(new Set(PROTOCOL_NAMES).size, 256);
});

test('keywords stand at their numbers', () => {
  const expected: [number, string][] = [
    [0, 'hopopt'],
    [1, 'icmp'],
    [2, 'igmp'],
    [4, 'ipv4'],
    [6, 'tcp'],
    [17, 'udp'],
    [33, 'dccp'],
    [41, 'ipv6'],
    [47, 'gre'],
    [50, 'esp'],
    [51, 'ah'],
    [58, 'ipv6-icmp'],
    [59, 'ipv6-nonxt'],
    [61, '61'],
    [63, '63'],
    [68, '68'],
    [88, 'eigrp'],
    [89, 'ospfigp'],
    [99, '99'],
    [103, 'pim'],
    [112, 'vrrp'],
    [114, '114'],
    [115, 'l2tp'],
    [132, 'sctp'],
    [136, 'udplite'],
    [137, 'mpls-in-ip'],
    [140, 'shim6'],
    [142, 'rohc'],
    [143, 'ethernet'],
    [147, 'bit-emu'],
    [148, '148'],
    [253, '253'],
    [255, '255'],
  ];
  for (const [number, name] of expected) assert.equal(PROTOCOL_NAMES[number], name, `protocol ${number}`);
});

/** Numbers whose names in that file are older, or others, than those of the registry. */
const OTHER_NAMES = new Set([0, 4, 73, 89]);

test("the system's list of protocols agrees", (t) => {
  let text: string;
  try {
    text = readFileSync('/etc/protocols', 'utf8');
  } catch {
    t.skip('no /etc/protocols');
    return;
  }
  for (const line of text.split('\n')) {
    const match = /^([a-z][\w.+-]*)\s+(\d+)\s/.exec(line);
    if (match === null || Number(match[2]) > 255 || OTHER_NAMES.has(Number(match[2]))) continue;
    assert.equal(PROTOCOL_NAMES[Number(match[2])], match[1]);
  }
});
