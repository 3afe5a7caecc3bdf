import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { RandomStream } from '../../bench/random.js';
import { ErrorCode, RheoError } from '../../src/core/errors.js';
import { type Place, Places } from '../../src/enrich/places.js';
import { mmdbFile } from '../support/mmdb.js';
import { hasProgram } from '../support/programs.js';
import { addressWords } from '../support/records.js';

const dir = mkdtempSync(path.join(tmpdir(), 'rheo-places-'));
after(() => rmSync(dir, { recursive: true }));

let files = 0;
function fileOf(bytes: Uint8Array): string {
  const file = path.join(dir, `${files++}.mmdb`);
  writeFileSync(file, bytes);
  return file;
}

async function placesOf(...given: readonly Uint8Array[]): Promise<Places> {
  const places = new Places();
  for (const bytes of given) await places.open(fileOf(bytes));
  return places;
}

function placeOf(places: Places, address: string): Place | undefined {
  const words = Int32Array.from([7, 7, ...addressWords(address), 7, 7, 7]);
  const number = places.find(words, 2, address.includes(':') ? 6 : 4);
  return number === 0 ? undefined : places.at(number);
}

const CITY = {
  continent: { code: 'EU' },
  country: { iso_code: 'CH', names: { de: 'Schweiz', en: 'Switzerland' } },
  city: { names: { de: 'Genf', en: 'Geneva' } },
};
const ASN = { autonomous_system_number: 4_200_000_007, autonomous_system_organization: 'Example Org' };
const CITIES = mmdbFile([
  ['192.0.2.0/24', CITY],
  ['192.0.2.128/25', { country: { iso_code: 'FR' } }],
  ['2001:db8::/32', CITY],
]);
const NETWORKS = mmdbFile([
  ['192.0.2.0/23', ASN],
  ['2001:db8:1::/48', ASN],
]);

test('city and AS files together, each counting for what it knows; IPv4 and IPv6', async () => {
  const places = await placesOf(CITIES, NETWORKS);
  const geneva = { country: 'CH', city: 'Geneva' };
  const organization = { as: 4_200_000_007, organization: 'Example Org' };
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(placeOf(places, '192.0.2.1'), { ...geneva, ...organization });
    assert.deepEqual(placeOf(places, '192.0.2.129'), { country: 'FR', ...organization });
    assert.deepEqual(placeOf(places, '192.0.3.1'), organization);
    assert.equal(placeOf(places, '192.0.4.1'), undefined);
    assert.deepEqual(placeOf(places, '2001:db8::1'), geneva);
    assert.deepEqual(placeOf(places, '2001:db8:1::1'), { ...geneva, ...organization });
    assert.equal(placeOf(places, '2001:db9::1'), undefined);
  }
  assert.equal(places.size, 4, 'equal places are kept once');
});

test('the first file that knows a thing counts', async () => {
  const other = mmdbFile([['192.0.2.0/24', { country: { iso_code: 'XX' }, city: { names: { en: 'Elsewhere' } } }]]);
  const places = await placesOf(mmdbFile([['192.0.2.0/24', { country: { iso_code: 'DE' } }]]), other);
  assert.deepEqual(placeOf(places, '192.0.2.1'), { country: 'DE', city: 'Elsewhere' });
});

test('the flat members of IPinfo; what is no country, AS or text is left out', async () => {
  const flat = mmdbFile([
    ['10.0.0.0/8', { country_code: 'de', country: 'Germany', asn: 'AS64500', as_name: 'Flat', city: 'Köln' }],
    ['11.0.0.0/8', { country: 'fr', asn: 'ASx' }],
    ['12.0.0.0/8', { country: { iso_code: 'toolong' }, city: 5, asn: 0, as_name: '' }],
    ['13.0.0.0/8', { country: 'Atlantis', as_name: 'x'.repeat(300) }],
    ['14.0.0.0/8', 'a text where a map should be'],
    ['15.0.0.0/8', { __proto__x: 1, constructor: 'y', hasOwnProperty: 'z' }],
  ]);
  const places = await placesOf(flat);
  assert.deepEqual(placeOf(places, '10.0.0.1'), { country: 'DE', city: 'Köln', as: 64_500, organization: 'Flat' });
  assert.deepEqual(placeOf(places, '11.0.0.1'), { country: 'FR' });
  assert.equal(placeOf(places, '12.0.0.1'), undefined);
  assert.deepEqual(placeOf(places, '13.0.0.1'), { organization: 'x'.repeat(200) });
  assert.equal(placeOf(places, '14.0.0.1'), undefined);
  assert.equal(placeOf(places, '15.0.0.1'), undefined);
});

test('a file of IPv4 only says nothing of IPv6', async () => {
  for (const recordSize of [24, 28, 32] as const) {
    const places = await placesOf(mmdbFile([['192.0.2.0/24', CITY]], { version: 4, recordSize }));
    assert.equal(placeOf(places, '192.0.2.9')?.city, 'Geneva');
    assert.equal(placeOf(places, '::c000:209'), undefined);
    assert.equal(places.counters.damaged, 0);
  }
});

test('the answer is the same, whichever addresses were asked before', async () => {
  const places = await placesOf(
    mmdbFile(Array.from({ length: 256 }, (_, n) => [`10.${n}.0.0/16`, { autonomous_system_number: n + 1 }] as const)),
  );
  const random = new RandomStream(5);
  const words = new Int32Array(4);
  for (let n = 0; n < 100_000; n++) {
    const second = Math.floor(random.next() * 256);
    words[0] = (10 << 24) | (second << 16) | Math.floor(random.next() * 65_536);
    assert.equal(places.at(places.find(words, 0, 4)).as, second + 1);
  }
  assert.equal(places.size, 256);
  // The same words as another version are another address.
  assert.equal(places.find(words, 0, 6), 0);
});

test('mmdblookup finds the same', { skip: hasProgram('mmdblookup') ? false : 'no program mmdblookup' }, async () => {
  const file = fileOf(CITIES);
  const places = new Places();
  await places.open(file);
  for (const address of ['192.0.2.1', '192.0.2.200', '2001:db8:5::1']) {
    const said = execFileSync('mmdblookup', ['--file', file, '--ip', address, 'country', 'iso_code'], {
      encoding: 'utf8',
    });
    assert.equal(/"(\w+)"/.exec(said)?.[1], placeOf(places, address)?.country);
  }
});

async function refused(bytes: Uint8Array, code: ErrorCode): Promise<void> {
  const file = fileOf(bytes);
  await assert.rejects(new Places().open(file), (error) => {
    assert.ok(error instanceof RheoError, String(error));
    assert.equal(error.code, code);
    assert.ok(error.message.includes(file));
    return true;
  });
}

test('files that are no MMDB, or cut, are refused with their name', async () => {
  await refused(new Uint8Array(0), ErrorCode.format);
  await refused(Uint8Array.from(Buffer.from('no such thing'.repeat(100))), ErrorCode.format);
  await refused(Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0), ErrorCode.format);
  await refused(CITIES.subarray(0, CITIES.length / 2), ErrorCode.format);
  await refused(CITIES.subarray(300), ErrorCode.format);
  await assert.rejects(new Places().open(dir), { code: ErrorCode.input });
  await assert.rejects(new Places().open(path.join(dir, 'none')), { code: ErrorCode.input });
});

test('damage anywhere: an error of ours, an answer, or a counter, and never anything else', async () => {
  const random = new RandomStream(11);
  for (let n = 0; n < 400; n++) {
    const bytes = CITIES.slice();
    for (let k = 0; k < 3; k++) bytes[Math.floor(random.next() * bytes.length)] = Math.floor(random.next() * 256);
    const places = new Places();
    try {
      await places.open(fileOf(bytes));
    } catch (error) {
      assert.ok(error instanceof RheoError, String(error));
      continue;
    }
    for (const address of ['192.0.2.1', '192.0.2.200', '2001:db8::1', '10.0.0.1']) placeOf(places, address);
  }
});

test('files are read again; one that is damaged meanwhile leaves the old ones in force', async () => {
  const file = fileOf(CITIES);
  const places = new Places();
  await places.open(file);
  assert.equal(placeOf(places, '192.0.2.1')?.city, 'Geneva');
  const { changes } = places;
  writeFileSync(file, CITIES.subarray(0, 200));
  await assert.rejects(places.reopen(), { code: ErrorCode.format });
  assert.deepEqual([placeOf(places, '192.0.2.1')?.city, places.changes], ['Geneva', changes]);
  writeFileSync(file, mmdbFile([['192.0.2.0/24', { country: { iso_code: 'IT' } }]]));
  await places.reopen();
  assert.deepEqual(placeOf(places, '192.0.2.1'), { country: 'IT' });
  assert.notEqual(places.changes, changes);
});
