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
  if (user === undefined && group !== undefined) {
    add(['group'], 'a group to become without a user', 'Set user, too; control.group is who may use the socket.');
  }
  attempt(['control', 'http', 'listen'], () => checkHttp(control.http, add));
  return problems;
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
