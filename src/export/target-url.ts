import { ErrorCode, RheoError } from '../core/errors.js';
import { didYouMean } from '../core/suggest.js';
import { parseTargetOptions, type TargetOptions } from './target-options.js';

/** What goes over the wire, or into a file. */
export type TargetProtocol = 'ipfix' | 'netflow9' | 'netflow5' | 'netflow1' | 'sflow' | 'syslog' | 'file';
export type TargetTransport = 'udp' | 'tcp' | 'tls' | 'sctp' | 'file';
export type FileFormatName = 'ndjson' | 'log' | 'csv' | 'parquet' | 'ipfix' | 'nfdump';
export type CompressionName = 'none' | 'gzip' | 'zstd';

interface Scheme {
  readonly protocol: TargetProtocol;
  readonly transport: TargetTransport;
  /** Where the URL names no port: what IANA registered, or what collectors listen on by habit. */
  readonly port: number;
}

export const SCHEMES: Readonly<Record<string, Scheme>> = {
  ipfix: { protocol: 'ipfix', transport: 'udp', port: 4739 },
  'ipfix+tcp': { protocol: 'ipfix', transport: 'tcp', port: 4739 },
  'ipfix+tls': { protocol: 'ipfix', transport: 'tls', port: 4740 },
  'ipfix+sctp': { protocol: 'ipfix', transport: 'sctp', port: 4739 },
  netflow9: { protocol: 'netflow9', transport: 'udp', port: 2055 },
  netflow5: { protocol: 'netflow5', transport: 'udp', port: 2055 },
  netflow1: { protocol: 'netflow1', transport: 'udp', port: 2055 },
  sflow: { protocol: 'sflow', transport: 'udp', port: 6343 },
  syslog: { protocol: 'syslog', transport: 'udp', port: 514 },
  'syslog+tcp': { protocol: 'syslog', transport: 'tcp', port: 601 },
  'syslog+tls': { protocol: 'syslog', transport: 'tls', port: 6514 },
  file: { protocol: 'file', transport: 'file', port: 0 },
};

const FORMATS: readonly FileFormatName[] = ['ndjson', 'csv', 'parquet', 'ipfix', 'nfdump', 'log'];
const COMPRESSIONS: Readonly<Record<string, CompressionName>> = { gz: 'gzip', zst: 'zstd' };
/** Hosts of one URL at the most; softflowd takes as many. */
const MOST_HOSTS = 16;

export interface HostPort {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface FileName {
  /** Path with time patterns (`%Y`, `%H` …), as given. */
  readonly path: string;
  readonly format: FileFormatName;
  readonly compression: CompressionName;
}

/** A target's URL, taken apart and checked. */
export interface TargetUrl {
  readonly url: string;
  readonly scheme: string;
  readonly protocol: TargetProtocol;
  readonly transport: TargetTransport;
  /** At least one, except for files. */
  readonly hosts: readonly HostPort[];
  /** Given for files. */
  readonly file: FileName | undefined;
  readonly options: TargetOptions;
}

function wrong(url: string, what: string, remedy: string): RheoError {
  return new RheoError(ErrorCode.usage, `target ${url}: ${what}`, { remedy });
}

/**
 * Takes the URL of a target apart. Nothing is opened or resolved.
 * @throws RheoError `RHEO_USAGE`, naming the part of the URL that is wrong and what would be right
 */
export function parseTargetUrl(url: string): TargetUrl {
  const match = /^([a-z0-9+]+):/i.exec(url);
  if (match === null) {
    throw wrong(url, 'it has no scheme', `Write for example ipfix://HOST:4739 or file:${url || 'flows.ndjson'}`);
  }
  const scheme = match[1].toLowerCase();
  if (!Object.hasOwn(SCHEMES, scheme)) {
    const known = Object.keys(SCHEMES);
    throw wrong(
      url,
      `scheme '${scheme}' is not known`,
      didYouMean(scheme, known, '', `Known are ${known.join(', ')}.`),
    );
  }
  const { protocol, transport, port } = SCHEMES[scheme];
  const rest = url.slice(match[0].length);
  const cut = rest.indexOf('?');
  const body = cut < 0 ? rest : rest.slice(0, cut);
  const query = cut < 0 ? '' : rest.slice(cut + 1);
  const file = protocol === 'file' ? fileName(url, body) : undefined;
  const hosts = file === undefined ? hostList(url, body, port) : [];
  const options = parseTargetOptions(url, query, { protocol, transport, format: file?.format });
  if (options.spread === true && hosts.length < 2) {
    throw wrong(url, 'spread needs more than one host', `Name them all: ${scheme}://HOST1:PORT,HOST2:PORT?spread`);
  }
  return { url, scheme, protocol, transport, hosts, file, options };
}

function hostList(url: string, body: string, defaultPort: number): HostPort[] {
  if (!body.startsWith('//')) throw wrong(url, "'//' is missing after the scheme", 'Write SCHEME://HOST:PORT');
  const text = body.slice(2).replace(/\/$/, '');
  if (text === '') throw wrong(url, 'the host is missing', 'Write SCHEME://HOST:PORT');
  if (text.includes('/')) throw wrong(url, `a path ('/${text.split('/')[1]}') has no meaning here`, 'Leave it out.');
  if (text.includes('@')) throw wrong(url, "a user name ('@') has no meaning here", 'Leave it out.');
  const hosts = text.split(',').map((part) => hostPort(url, part.trim(), defaultPort));
  if (hosts.length > MOST_HOSTS) throw wrong(url, `${hosts.length} hosts are too many`, `${MOST_HOSTS} are the most.`);
  return hosts;
}

function hostPort(url: string, text: string, defaultPort: number): HostPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(text);
  if (match === null) {
    throw wrong(url, `'${text}' is not a host`, 'Write HOST:PORT; IPv6 addresses in brackets, as [2001:db8::1]:4739');
  }
  const host = match[1] ?? match[2];
  if (host === '') throw wrong(url, `the host is missing in '${text}'`, 'Write HOST:PORT');
  if (match[1] === undefined ? !/^[\w.-]+$/.test(host) : !/^[0-9a-f:.]+(%[\w.-]+)?$/i.test(host)) {
    throw wrong(url, `host '${host}' is neither a name nor an address`, 'Write HOST:PORT or [IPV6]:PORT');
  }
  if (match[3] === undefined) return { host, port: defaultPort };
  const port = /^\d{1,5}$/.test(match[3]) ? Number(match[3]) : 0;
  if (port < 1 || port > 65535) {
    throw wrong(url, `port '${match[3]}' is not a number from 1 to 65535`, `Usual here: ${defaultPort}`);
  }
  return { host, port };
}

function fileName(url: string, body: string): FileName {
  const path = body.startsWith('//') ? body.slice(2) : body;
  if (body.startsWith('//') && !path.startsWith('/')) {
    throw wrong(
      url,
      `'${path.split('/')[0]}' is in the place of a host`,
      `Write file:${path} or file:///absolute/path`,
    );
  }
  if (path === '' || path.endsWith('/')) throw wrong(url, 'the name of the file is missing', 'Write file:flows.ndjson');
  const match = /\.([a-z0-9]+)(?:\.(gz|zst))?$/i.exec(path);
  const extension = match?.[1].toLowerCase() ?? '';
  const format = FORMATS.find((known) => known === extension);
  if (match === null || format === undefined) {
    throw wrong(
      url,
      match === null ? 'the name of the file has no ending' : `ending '.${extension}' is not known`,
      didYouMean(
        extension,
        FORMATS,
        '.',
        `The ending says the format: ${FORMATS.map((name) => `.${name}`).join(', ')}.`,
      ),
    );
  }
  const compression = match[2] === undefined ? 'none' : COMPRESSIONS[match[2].toLowerCase()];
  if (compression !== 'none' && (format === 'parquet' || format === 'nfdump')) {
    throw wrong(
      url,
      `ending '.${match[2]}': ${format === 'parquet' ? 'Parquet compresses its own pages' : 'nfdump reads no such file'}`,
      `Write file:${path.slice(0, -1 - match[2].length)}`,
    );
  }
  for (const [pattern, letter] of path.matchAll(/%(.?)/g)) {
    if ('YmdHMSs%'.includes(letter) && letter !== '') continue;
    throw wrong(
      url,
      `'${pattern}' in the name of the file is no time pattern`,
      'Known are %Y %m %d %H %M %S %s and %%.',
    );
  }
  return { path, format, compression };
}
