/** HTTP of a real daemon, reached over a cable by curl and by `rheo ctl --url`: TLS, token, client certificates. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Finished } from '../support/netns.js';
import { netnsMissing, twoHosts } from '../support/netns.js';
import { hasProgram } from '../support/programs.js';
import { DaemonProcess, finish, folderOf, RHEO } from './command.js';

function missing(): string | false {
  const netns = netnsMissing();
  if (netns !== false) return netns;
  for (const name of ['curl', 'openssl']) if (!hasProgram(name)) return `${name} is missing`;
  return false;
}

/** A certificate for 10.77.0.2 that signs itself. */
function certificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [path.join(folder, `${name}.pem`), path.join(folder, `${name}.key`)];
  const { status, stderr } = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:10.77.0.2', '-keyout', key, '-out', cert],
    ],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  return { cert, key };
}

function write(folder: string, name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  chmodSync(file, 0o600);
  return file;
}

const TOKEN = 'a-token-of-more-than-16-characters';
const CALL = (method: string): string => JSON.stringify({ jsonrpc: '2.0', id: 1, method });
const CURL = ['-s', '-w', '\n%{http_code}', '--max-time', '20'];

/** Body and status of curl's answer. */
function answer({ stdout }: Finished): { body: string; status: number } {
  const cut = stdout.lastIndexOf('\n');
  return { body: stdout.slice(0, cut), status: Number(stdout.slice(cut + 1)) };
}

test('TLS with token and client certificate: who has them is served, who has not is refused', {
  skip: missing(),
  timeout: 60_000,
}, async (t: TestContext) => {
  const { lab, left, right } = twoHosts();
  t.after(() => lab.close());
  const folder = folderOf(t);
  const server = certificate(folder, 'server');
  const mine = certificate(folder, 'client');
  const strange = certificate(folder, 'stranger');
  const tokenFile = write(folder, 'token', `${TOKEN}\n`);
  const wrongFile = write(folder, 'wrong', 'another-token-that-is-not-it\n');
  const http = { listen: '10.77.0.2:8443', tlsCert: server.cert, tlsKey: server.key, clientCa: mine.cert, tokenFile };
  const config = write(folder, 'rheo.yaml', JSON.stringify({ interfaces: ['r0'], control: { http } }));
  const daemon = new DaemonProcess(t, ['-c', config], { inside: [lab, right], folder });
  await daemon.ready();

  const url = 'https://10.77.0.2:8443';
  const curl = (...args: string[]): Promise<Finished> => lab.finish(left, 'curl', ...CURL, ...args);
  const trusted = ['--cacert', server.cert];
  const known = [...trusted, '--cert', mine.cert, '--key', mine.key];
  const bearer = ['-H', `Authorization: Bearer ${TOKEN}`];
  const post = (method: string): string[] => ['-H', 'content-type: application/json', '-d', CALL(method), `${url}/rpc`];

  const served = answer(await curl(...known, ...bearer, ...post('version')));
  assert.deepEqual([served.status, JSON.parse(served.body).result.pid], [200, daemon.child.pid]);
  const metrics = answer(await curl(...known, ...bearer, `${url}/metrics`));
  assert.equal(metrics.status, 200);
  assert.match(metrics.body, /^rheo_/m);
  assert.equal(answer(await curl(...known, `${url}/healthz`)).status, 200);

  // Without the token, or with another; without trust, without or with a strange certificate; without TLS.
  assert.equal(answer(await curl(...known, ...post('version'))).status, 401);
  assert.equal(answer(await curl(...known, '-H', 'Authorization: Bearer no', ...post('version'))).status, 401);
  assert.equal(answer(await curl(...known, `${url}/metrics`)).status, 401);
  const PEER_NOT_TRUSTED = 60;
  assert.equal(
    (await curl('--cert', mine.cert, '--key', mine.key, ...bearer, ...post('version'))).code,
    PEER_NOT_TRUSTED,
  );
  assert.notEqual((await curl(...trusted, ...bearer, ...post('version'))).code, 0);
  const stranger = ['--cert', strange.cert, '--key', strange.key];
  assert.notEqual((await curl(...trusted, ...stranger, ...bearer, ...post('version'))).code, 0);
  assert.notEqual((await curl(...bearer, `http://10.77.0.2:8443/healthz`)).code, 0);
  // A name that was made to point here, and a page of another site.
  const other = ['-H', 'Host: evil.example'];
  assert.equal(answer(await curl(...known, ...bearer, ...other, ...post('version'))).status, 421);
  assert.equal(
    answer(await curl(...known, ...bearer, '-H', 'Origin: https://evil.example', ...post('version'))).status,
    403,
  );

  // The command, from the other host.
  const ctl = (...args: string[]): Promise<Finished> => {
    const [program, ...first] = RHEO;
    return lab.finish(left, program, ...first, 'ctl', ...args, '--url', url);
  };
  const mutual = ['--ca', server.cert, '--cert', mine.cert, '--cert-key', mine.key];
  const health = await ctl('health', '--json', ...mutual, '--token-file', tokenFile);
  assert.deepEqual([health.code, health.stderr], [0, '']);
  const { status, reasons } = JSON.parse(health.stdout) as { status: string; reasons: string[] };
  assert.deepEqual({ status, reasons }, { status: 'ok', reasons: [] });
  const dump = await ctl('dump-flows', 'port 8443', ...mutual, '--token-file', tokenFile);
  assert.equal(dump.code, 0, dump.stderr);
  for (const line of dump.stdout.trim().split('\n')) assert.equal(JSON.parse(line).dstPort, 8443);
  for (const [args, why] of [
    [[...mutual, '--token-file', wrongFile], /token is wrong/],
    [mutual, /a token is needed/],
    [['--token-file', tokenFile, ...mutual.slice(2)], /not trusted/],
  ] as const) {
    const refused = await ctl('version', ...args);
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, why);
  }
  assert.ok(!daemon.errors.includes(TOKEN), 'the token is not in the log');
  const shutdown = await ctl('shutdown', ...mutual, '--token-file', tokenFile);
  assert.deepEqual([shutdown.code, shutdown.stderr], [0, '']);
  assert.equal(await daemon.end(), 0);
});

test('an address that others reach, without TLS or token: the daemon does not start and says why', {
  skip: missing(),
  timeout: 30_000,
}, async (t) => {
  const folder = folderOf(t);
  const server = certificate(folder, 'server');
  const tokenFile = write(folder, 'token', `${TOKEN}\n`);
  const tls = ['--http-tls-cert', server.cert, '--http-tls-key', server.key];
  for (const args of [[], tls, ['--http-token-file', tokenFile]]) {
    const { code, stderr } = await finish([...RHEO, 'run', '--http-listen', '0.0.0.0:0', ...args, '-'], {
      RHEO_CONTROL_SOCKET: path.join(folder, 'control.sock'),
    });
    assert.notEqual(code, 0);
    assert.match(stderr, /0\.0\.0\.0.*(TLS|token)/);
  }
});
