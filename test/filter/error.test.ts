import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import { compileFilter } from '../../src/filter/filter.js';
import { Batch } from '../../src/packet/batch.js';

function errorOf(expression: string, link?: number): RheoError {
  try {
    const filter = compileFilter(expression);
    if (link !== undefined) {
      const batch = new Batch();
      batch.link[0] = link;
      filter.select(batch, 0, 1);
    }
  } catch (error) {
    assert.ok(error instanceof RheoError, String(error));
    assert.equal(error.code, ErrorCode.filter);
    assert.equal(error.exitCode, 2);
    return error;
  }
  return assert.fail(`no error: ${expression}`);
}

/** Expression, column, piece of the message, piece of the remedy. */
const CASES: readonly [string, number, RegExp, RegExp?][] = [
  ['tcp prot 80', 5, /"prot" makes no sense here/, /join primitives with/],
  ['tcp port', 9, /ends where an address, port or protocol/],
  ['host', 5, /ends where an address/],
  ['tcp and', 8, /ends too early/],
  ['192.0.2.1', 1, /"192\.0\.2\.1" makes no sense/, /host 192\.0\.2\.1/],
  ['tcp and 192.0.2.1', 9, /nothing says what "192\.0\.2\.1" is/, /put host, net, port/],
  ['02:00:00:00:00:01', 1, /makes no sense/, /ether host 02:00:00:00:00:01/],
  ['host 02:00:00:00:00:01', 6, /is an Ethernet address/, /ether host/],
  ['TCP', 1, /"TCP" makes no sense/, /lower case/],
  ['host example.org', 6, /names are not looked up/, /address/],
  ['net home', 5, /names are not looked up/],
  ['ether host router', 12, /names are not looked up/],
  ['host 10.0.0.300', 6, /not an IPv4 address/],
  ['host fe80::1::2', 6, /neither an IPv6 nor an Ethernet/],
  ['host 1:2:3', 6, /neither an IPv6 nor an Ethernet/],
  ['net 10.0.0.1/8', 5, /bits outside its mask/],
  ['net 10.0.0.0/33', 14, /at most 32/],
  ['net 2001:db8::/129', 16, /at most 128/],
  ['net 2001:db8::1/32', 5, /bits outside its prefix/],
  ['net 10.0.0.0 mask 255', 19, /expected a mask/],
  ['host 10.0.0.0/8', 6, /mask belongs to a network/, /net 10\.0\.0\.0/],
  ['host fe80::/10', 6, /belongs to a network/, /net fe80::\/10/],
  ['net 10/8', 7, /"\/" makes no sense/, /net 10\.0\.0\.0\/8/],
  ['port 10.0.0.1', 6, /cannot follow "port"/],
  ['port 65536', 6, /at most 65535/],
  ['port 80,443', 8, /unexpected character ","/, /"or" between values/],
  ['portrange 8000-70000', 11, /at most 65535/],
  ['portrange http', 11, /range like/],
  ['port frobnicate', 6, /service "frobnicate" is not known/, /number/],
  ['udp port ssh', 10, /service of tcp/],
  ['icmp port 7', 1, /"icmp" cannot qualify port/, /icmp and port/],
  ['tcp host 10.0.0.1', 1, /"tcp" cannot qualify host/, /tcp and host/],
  ['ip6 host 10.0.0.1', 10, /IPv4 address, but "ip6"/],
  ['ip host ::1', 9, /IPv6 address, but "ip"/],
  ['ether host 10.0.0.1', 1, /takes an Ethernet address/],
  ['ip proto tcp', 10, /found "tcp"/, /write \\tcp/],
  ['ip proto \\foo', 10, /protocol "foo" is not known/],
  ['tcp proto 6', 1, /"tcp" cannot qualify proto/],
  ['ether', 1, /alone selects nothing/],
  ['(tcp', 5, /expected "\)" here, found the end/],
  ['tcp)', 4, /"\)" makes no sense/],
  ['()', 2, /"\)" makes no sense/],
  ['src or port 80', 8, /expected "dst"/],
  ['less many', 6, /expected a number/, /less 128/],
  ['vlan 4096', 6, /at most 4095/],
  ['mpls 1048576', 6, /at most 1048575/],
  ['pppoes 65536', 8, /at most 65535/],
  ['tcp broadcast', 1, /no broadcast of "tcp"/],
  ['tcp[13', 7, /expected "\]" here, found the end/],
  ['tcp[13:3] = 1', 8, /1, 2 or 4 bytes/],
  ['tcp[13] & 2', 12, /expected a comparison/],
  ['tcp[13] = port', 11, /expected a number, len or header/],
  ['esp[0] = 1', 4, /no bytes to look at/],
  ['80', 3, /expected a comparison/, /port 80/],
  ['len-4 > 3', 1, /"len-4" makes no sense/, /spaces around "-"/],
  ['4 / 0 = 1', 3, /division by zero/],
  ['4 / (3 - 3) = 1', 3, /division by zero/],
  ['1 << 32 = 1', 3, /at most 31 bits/],
  ['ip[099] = 1', 4, /octal/],
  ['ip[0] = 4294967296', 9, /32 bits/],
  ['ip[0] = 0x100000000', 9, /32 bits/],
  ['host 10.0.0.1 # comment', 15, /unexpected character "#"/],
  ['ip6 protochain 6', 5, /"protochain" is not supported yet/, /later release/],
  ['gateway 10.0.0.1', 1, /"gateway" is not supported yet/],
  ['tcp and geneve', 9, /"geneve" is not supported yet/],
  ['wlan addr1 02:00:00:00:00:01', 6, /"addr1" is not supported yet/],
  ['type mgt', 1, /"type" is not supported yet/],
  ['inbound', 1, /"inbound" is not supported yet/],
];

for (const [expression, column, problem, remedy] of CASES) {
  test(`error: ${expression}`, () => {
    const error = errorOf(expression);
    const [head, shown, caret] = error.message.split('\n');
    assert.match(head ?? '', new RegExp(`^filter, column ${column}: `));
    assert.match(head ?? '', problem);
    assert.equal(shown, `  ${expression}`);
    assert.equal(caret, `${' '.repeat(column + 1)}^`);
    if (remedy !== undefined) assert.match(error.remedy ?? '', remedy);
  });
}

/** Expression, link type, column, piece of the message. */
const LINK_CASES: readonly [string, number, number, RegExp][] = [
  ['tcp and vlan 3', 101, 9, /"raw IP" have no VLAN tags/],
  ['ether host 02:00:00:00:00:01', 113, 12, /"Linux cooked" have no Ethernet addresses/],
  ['broadcast', 0, 1, /"BSD loopback" have no Ethernet addresses/],
  ['mpls and arp', 1, 10, /only IPv4 and IPv6/],
  ['mpls and vlan', 1, 10, /cannot stand behind mpls/],
  ['mpls', 101, 1, /cannot be recognised in link type "raw IP"/],
  ['ether multicast', 105, 1, /not supported yet/],
  ['ether host 02:00:00:00:00:01', 122, 12, /not supported yet/],
];

for (const [expression, link, column, problem] of LINK_CASES) {
  test(`error of link type ${link}: ${expression}`, () => {
    compileFilter(expression);
    const { message } = errorOf(expression, link);
    assert.match(message, new RegExp(`^filter, column ${column}: `));
    assert.match(message, problem);
  });
}

test('an unknown link type is an error when an expression looks into packets, and only then', () => {
  assert.match(errorOf('tcp', 189).message, /link type 189 \(USB_LINUX\)/);
  const batch = new Batch();
  batch.link[0] = 189;
  batch.wire[0] = 100;
  assert.equal(compileFilter('').select(batch, 0, 1), 1);
  assert.equal(compileFilter('less 100').select(batch, 0, 1), 1);
  assert.equal(compileFilter('not less 100').select(batch, 0, 1), 0);
});

test('a long expression is shown around the error only', () => {
  const error = errorOf(`${'host 10.0.0.1 or '.repeat(100)}host nowhere`);
  const [, shown = '', caret = ''] = error.message.split('\n');
  assert.ok(shown.length < 130);
  assert.equal(shown.slice(caret.length - 1), 'nowhere');
});

test('control characters do not reach the terminal', () => {
  const { message } = errorOf('host \\\u001b[31mred');
  assert.ok(!message.includes('\u001b'));
});

test('limits: length, nesting, primitives', () => {
  assert.match(errorOf(' '.repeat(65_537)).message, /longer than 65536/);
  assert.match(errorOf(`${'('.repeat(201)}tcp${')'.repeat(201)}`).message, /nested more than 200/);
  assert.match(errorOf(`port ${'('.repeat(201)}80${')'.repeat(201)}`).message, /nested more than 200/);
  assert.match(errorOf(`${'ip['.repeat(201)}0${']'.repeat(201)} = 0`).message, /nested more than 200/);
  assert.match(errorOf(`${'- '.repeat(300)}len = 0`).message, /nested more than 200/);
  assert.match(errorOf(`len${' + len'.repeat(300)} = 0`).message, /nested more than 200/);
  assert.match(errorOf(`len${' % len'.repeat(300)} = 0`).message, /nested more than 200/);
  assert.match(errorOf(`port 1${' or 2'.repeat(8192)}`).message, /more than 8192 primitives/);
});

test('what is within the limits compiles and runs', () => {
  const batch = new Batch();
  batch.link[0] = 1;
  for (const expression of [
    `port 1${' or 2'.repeat(8191)}`,
    `${'not '.repeat(10_000)}tcp`,
    `${'('.repeat(190)}tcp${')'.repeat(190)}`,
    `${'not ('.repeat(190)}tcp${')'.repeat(190)}`,
    `len${' + len'.repeat(190)} = 1`,
  ]) {
    assert.equal(compileFilter(expression).select(batch, 0, 1), 0);
  }
});

const VOCABULARY = (
  'host net port portrange proto src dst and or not tcp udp ip ip6 arp ether vlan mpls pppoes len less greater mask [ ] ( ) ' +
  ': + - * / % & | ^ << >> < > = == != ! && || 0 1 80 4294967295 0x10 10.0.0.1 10.1 ::1 fe80::/10 02:00:00:00:00:01 ' +
  'tcpflags tcp-syn http 80-90 \\tcp icmp6 broadcast multicast protochain é $'
).split(' ');

test('any text compiles or is an error of the filter, and what compiles runs', () => {
  const batch = new Batch();
  batch.attach(new Uint8Array(64).fill(0x45), new DataView(new ArrayBuffer(64)));
  batch.captured[0] = 64;
  const words = fc.array(fc.constantFrom(...VOCABULARY), { maxLength: 12 }).map((list) => list.join(' '));
  const property = fc.property(fc.oneof(words, fc.string(), fc.string({ unit: 'binary' })), (expression) => {
    for (const link of [0, 1, 101, 105, 113, 9]) {
      batch.link[0] = link;
      batch.verdict[0] = 0;
      try {
        compileFilter(expression).select(batch, 0, 1);
      } catch (error) {
        assert.ok(error instanceof RheoError && error.code === ErrorCode.filter, String(error));
      }
    }
  });
  fc.assert(property, { numRuns: 3000 });
});
