import { isIP } from 'node:net';
import { RheoError } from '../../core/errors.js';
import { parseTargetUrl } from '../../export/target-url.js';
import { compileFilter } from '../../filter/filter.js';
import { parseListen } from '../../rpc/http-address.js';
import { redact } from '../redact.js';
import type { Path, Problem } from './problems.js';
import type { Config } from './schema.js';

/** What a schema cannot say: whether the values make sense, and go together. Looks at nothing outside of them. */
export function checkConfig(config: Config): Problem[] {
  const problems: Problem[] = [];
  const add = (path: Path, message: string, remedy: string): void => void problems.push({ path, message, remedy });
  const attempt = (path: Path, work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RheoError)) throw error;
      add(path, redact(error.message.replace(/^filter, /, '')), redact(error.remedy ?? 'Correct it.'));
    }
  };
  const { filter, interfaces, control, user, group } = config;
  if (filter !== undefined) attempt(['filter'], () => compileFilter(filter));
  for (const [k, url] of config.export.entries()) attempt(['export', k], () => parseTargetUrl(url));
  if (interfaces.includes('-') && interfaces.length > 1) {
    add(['interfaces'], 'standard input (-) goes with no interface', 'Name - alone, or interfaces only.');
  }
  if (interfaces.includes('-') && config.threads > 1) {
    add(['threads'], 'standard input (-) has one thread only', 'Set threads to 1.');
  }
  if (config.observe === 'ebpf') checkCounted(config, add);
  if (user === undefined && group !== undefined) {
    add(['group'], 'a group to become without a user', 'Set user, too; control.group is who may use the socket.');
  }
  const { bgp } = config.enrich;
  if (bgp !== undefined) {
    const address = (key: Path, text: string, right: boolean): void => {
      if (!right) add(['enrich', 'bgp', ...key], `${redact(text)} is no such address`, 'Give an address, not a name.');
    };
    address(['address'], bgp.address, isIP(bgp.address) !== 0);
    address(['id'], bgp.id, isIP(bgp.id) === 4 && bgp.id !== '0.0.0.0');
    for (const [k, one] of bgp.neighbours.entries()) {
      address(['neighbours', k, 'address'], one.address, isIP(one.address) !== 0);
    }
    if (bgp.neighbours.length === 0)
      add(['enrich', 'bgp', 'neighbours'], 'no neighbours', 'Name one, or leave bgp out.');
    if (bgp.holdTime < 3000 || bgp.holdTime % 1000 !== 0) {
      add(['enrich', 'bgp', 'holdTime'], 'a hold time of whole seconds, 3s or more', 'Set 90s, for example.');
    }
  }
  attempt(['control', 'http', 'listen'], () => checkHttp(control.http, add));
  return problems;
}

/** What can be known of flows that the kernel has counted. */
const COUNTED_FEATURES: readonly string[] = ['vlan', 'tunnel'];
const COUNTED_KEY: readonly string[] = ['vlan', 'dscp', 'tos', 'interface'];

/** `observe: ebpf` and what needs packets exclude each other. */
function checkCounted(config: Config, add: (path: Path, message: string, remedy: string) => void): void {
  const remedy = 'Leave it out, or set observe to ring.';
  const { filter, sampling, dedupe, checksums, threads, features, key, interfaces } = config;
  const refuse = (path: Path, what: string): void => add(path, `observe: ebpf ${what}`, remedy);
  if (filter !== undefined) refuse(['filter'], 'counts all packets and takes no filter');
  if (sampling !== undefined) refuse(['sampling'], 'counts all packets and does not sample');
  if (dedupe) refuse(['dedupe'], 'cannot tell a packet that it has seen before');
  if (checksums) refuse(['checksums'], 'reads headers only and verifies no checksums');
  if (threads > 1) refuse(['threads'], 'has one thread: the kernel counts on all CPUs');
  if (interfaces.includes('-')) refuse(['interfaces'], 'is for interfaces, not for captures');
  const known =
    features === 'none' || (features !== 'all' && features.every((name) => COUNTED_FEATURES.includes(name)));
  if (!known) refuse(['features'], `knows no packets: of the features it has ${COUNTED_FEATURES.join(' and ')} only`);
  if (!key.extra.every((part) => COUNTED_KEY.includes(part))) {
    refuse(['key'], `can add ${COUNTED_KEY.join(', ')} to the key, nothing else`);
  }
}

function checkHttp(http: Config['control']['http'], add: (path: Path, message: string, remedy: string) => void): void {
  const at = (name: keyof typeof http): Path => ['control', 'http', name];
  const { listen, tlsCert, tlsKey, clientCa, tokenFile } = http;
  if (tlsCert !== undefined && tlsKey === undefined) add(at('tlsCert'), 'a certificate without a key', 'Set tlsKey.');
  if (tlsKey !== undefined && tlsCert === undefined) add(at('tlsKey'), 'a key without a certificate', 'Set tlsCert.');
  if (clientCa !== undefined && tlsCert === undefined) {
    add(at('clientCa'), 'certificates of clients are only seen with TLS', 'Set tlsCert and tlsKey.');
  }
  if (listen === undefined) return;
  if (parseListen(listen).loopback) return;
  const missing = [
    tlsCert === undefined ? 'TLS (tlsCert, tlsKey)' : '',
    tokenFile === undefined ? 'a token (tokenFile)' : '',
  ];
  const names = missing.filter((name) => name !== '').join(' and ');
  if (names === '') return;
  add(
    at('listen'),
    `${listen} can be reached from other machines and needs ${names}`,
    'Give it, or listen on 127.0.0.1.',
  );
}
