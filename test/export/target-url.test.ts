import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RheoError } from '../../src/core/errors.js';
import { TARGET_OPTIONS } from '../../src/export/target-options.js';
import { parseTargetUrl, SCHEMES } from '../../src/export/target-url.js';

test('hosts, ports and options of a URL', () => {
  const target = parseTargetUrl(
    'ipfix://a.example:9995,[2001:db8::1],10.0.0.1:1?spread&fields=src,dst&rate=10k&mtu=1400',
  );
  assert.deepEqual(target.hosts, [
    { host: 'a.example', port: 9995 },
    { host: '2001:db8::1', port: 4739 },
    { host: '10.0.0.1', port: 1 },
  ]);
  assert.equal(target.protocol, 'ipfix');
  assert.equal(target.transport, 'udp');
  assert.deepEqual(target.options, { spread: true, fields: ['src', 'dst'], rate: 10_000, mtu: 1400 });
});

test('the ports that are usual', () => {
  for (const [scheme, port] of [
    ['ipfix', 4739],
    ['ipfix+tls', 4740],
    ['netflow9', 2055],
    ['netflow5', 2055],
    ['sflow', 6343],
    ['syslog', 514],
    ['syslog+tcp', 601],
    ['syslog+tls', 6514],
  ] as const) {
    assert.equal(parseTargetUrl(`${scheme}://h`).hosts[0].port, port, scheme);
  }
});

test('names of files say format and compression', () => {
  const file = (url: string) => parseTargetUrl(url).file;
  assert.deepEqual(file('file:flows.ndjson'), { path: 'flows.ndjson', format: 'ndjson', compression: 'none' });
  assert.deepEqual(file('file:///var/x/%Y/f-%H.csv.gz?keep=7d'), {
    path: '/var/x/%Y/f-%H.csv.gz',
    format: 'csv',
    compression: 'gzip',
  });
  assert.deepEqual(file('file:a.ipfix.zst'), { path: 'a.ipfix.zst', format: 'ipfix', compression: 'zstd' });
  const { options } = parseTargetUrl('file:a.nfdump?rotate=1h30m&rotate-size=100M&keep=7d&keep-size=10GiB');
  assert.deepEqual(options, {
    rotate: 5_400_000,
    rotateSize: 100 * 2 ** 20,
    keep: 604_800_000,
    keepSize: 10 * 2 ** 30,
  });
});

/** URL → what the message and the remedy must say. */
const WRONG: readonly (readonly [string, RegExp, RegExp])[] = [
  ['', /no scheme/, /ipfix:\/\/HOST/],
  ['flows.csv', /no scheme/, /file:flows\.csv/],
  ['ipfx://h', /scheme 'ipfx'/, /mean ipfix\?/],
  ['ipfix:h', /'\/\/' is missing/, /SCHEME:\/\/HOST/],
  ['ipfix://', /host is missing/, /HOST:PORT/],
  ['ipfix://:1', /host is missing/, /HOST:PORT/],
  ['ipfix://h:0', /port '0'/, /4739/],
  ['ipfix://h:65536', /port '65536'/, /4739/],
  ['ipfix://h:x', /port 'x'/, /4739/],
  ['ipfix://2001:db8::1', /is not a host/, /\[2001:db8::1\]/],
  ['ipfix://u:p@h:1', /user name/, /Leave it out/],
  ['ipfix://h:1/x', /a path \('\/x'\)/, /Leave it out/],
  ['ipfix://a b:1', /host 'a b'/, /HOST:PORT/],
  ['ipfix://h?biflw=no', /option 'biflw'/, /mean biflow\?/],
  ['ipfix://h?biflow=perhaps', /'perhaps' is not yes or no/, /biflow=/],
  ['ipfix://h?time=h', /'h' is not one of s, ms, us, ns/, /time=/],
  ['ipfix://h?domain=4294967296', /is not a whole number from 0 to 4294967295/, /domain=/],
  ['ipfix://h?domain=', /is empty/, /domain=/],
  ['ipfix://h?mtu=575', /from 576 to 65535/, /mtu=/],
  ['ipfix://h?ttl=5&ttl=6', /given twice/, /once/],
  ['ipfix://h?rotate=1h', /'rotate' has no meaning here/, /Known here: .*ttl/],
  ['ipfix+tcp://h?ttl=4', /'ttl' has no meaning here/, /Known here/],
  ['ipfix://h?source=%zz', /'%zz' has a '%'/, /%25/],
  ['ipfix://h?spread', /more than one host/, /HOST1:PORT,HOST2:PORT/],
  ['ipfix+tls://h?cert=a', /cert and key belong together/, /cert=FILE&key=FILE/],
  ['netflow5://h?fields=src', /'fields' has no meaning here/, /Known here/],
  ['file:', /name of the file is missing/, /flows\.ndjson/],
  ['file:x/', /name of the file is missing/, /flows\.ndjson/],
  ['file:x', /no ending/, /\.parquet/],
  ['file:x.ndjsn', /'\.ndjsn'/, /mean \.ndjson\?/],
  ['file://host/x.csv', /'host' is in the place of a host/, /file:host\/x\.csv/],
  ['file:x.parquet.gz', /compresses its own/, /file:x\.parquet$/],
  ['file:x.nfdump.gz', /nfdump reads no such file/, /file:x\.nfdump$/],
  ['file:x-%Q.csv', /'%Q'/, /%Y %m %d/],
  ['file:x.csv?keep=soon', /'soon' is not a time/, /keep=/],
  ['file:x.csv?rotate=0.5s', /time of 1s or more/, /rotate=/],
];

test('errors name the part of the URL and a remedy', () => {
  for (const [url, message, remedy] of WRONG) {
    assert.throws(
      () => parseTargetUrl(url),
      (error: unknown) => {
        assert.ok(error instanceof RheoError, url);
        assert.equal(error.code, 'RHEO_USAGE');
        assert.match(error.message, message, url);
        assert.match(error.remedy ?? '', remedy, url);
        return true;
      },
      url,
    );
  }
});

test('whatever is typed: parsed, or a RheoError with a remedy', () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom(...Object.keys(SCHEMES), '://', ':', '?', '&', '=', ',', '[', ']', '::1', '%', '.csv', '.gz'),
    fc.constantFrom(...Object.keys(TARGET_OPTIONS)),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const url = parts.join('');
      try {
        const { hosts, file } = parseTargetUrl(url);
        assert.ok(hosts.length > 0 || file !== undefined);
      } catch (error) {
        assert.ok(error instanceof RheoError, String(error));
        assert.ok((error.remedy ?? '').length > 0);
      }
    }),
    { numRuns: 2000 },
  );
});
