import { readFileSync } from 'node:fs';
import type { FlowEncoder } from '../codec/flow-encoder.js';
import { ErrorCode, RheoError } from '../core/errors.js';
import { recordMembers } from '../model/read-record.js';
import type { ExportContext, Target } from '../model/target.js';
import { createFlowEncoder } from './encode/index.js';
import type { EncodeContext, RecordProtocol } from './encode/options.js';
import { encodeOptions } from './encode-options.js';
import { NetworkTarget } from './network-target.js';
import { profileLines } from './profile/index.js';
import { selectMembers } from './select.js';
import { SflowTarget } from './sflow/target.js';
import { SyslogEncoder } from './syslog/encoder.js';
import { parseTargetUrl, type TargetUrl } from './target-url.js';
import type { Connect } from './transport/connection.js';
import { connectSctp } from './transport/sctp.js';
import { connectStream } from './transport/stream.js';
import { connectUdp } from './transport/udp.js';

const QUEUE_BYTES = 32 * 2 ** 20;
/** What every path of IPv6 takes (RFC 8200 §5), tunnels included; headers of IPv6 and UDP take 48 bytes of it. */
const DEFAULT_MTU = 1280;
const HEADERS = 48;
/** Messages on streams: long enough to carry few headers, short enough not to wait long for company. */
const STREAM_MESSAGE_BYTES = 16 * 1024;
/** sFlow's usual values; a queue of a few thousand samples, as they are of no use later. */
const SAMPLE_ONE_IN = 1000;
const SAMPLE_HEADER_BYTES = 128;
const POLLING_MS = 20_000;
const SAMPLE_QUEUE_BYTES = 2 ** 20;
/** Headers of a datagram with one sample, in the expanded form, with an IPv6 agent and VLANs. */
const SAMPLE_OVERHEAD = 176;
const TEMPLATE_INTERVAL_MS = 60_000;
const TEMPLATE_PACKETS = 4096;
/**
 * Pace of datagrams to other machines where `rate` is not given. Nobody pushes back, and a receive buffer of Linux' default
 * size (212,992 bytes) holds about 90 datagrams of 1400 bytes: a burst fits in twice.
 */
const PACE = { bytesPerSecond: 60e6, burstBytes: 60 * 1024 } as const;
/** Reading a capture waits so long for a collector that takes nothing; a daemon that ends waits less. */
const PATIENCE_LOSSLESS_MS = 10_000;
const PATIENCE_MS = 3_000;

/**
 * Opens a target. Collectors that cannot be reached are no error: they are tried again and again.
 * @throws RheoError `RHEO_USAGE` for a URL or option that is wrong, `RHEO_OUTPUT` for files that cannot be there
 */
export async function openTarget(url: string, context: ExportContext): Promise<Target> {
  const target = parseTargetUrl(url);
  if (target.protocol === 'file') {
    // Many modules that only files need.
    const { openFileTarget } = await import('./file/open-file-target.js');
    return openFileTarget(target, context);
  }
  if (target.protocol === 'sflow') return openSflowTarget(target, context);
  return openNetworkTarget(target, context);
}

function openSflowTarget(target: TargetUrl, context: ExportContext): Target {
  const { options, hosts } = target;
  const maxMessageBytes = (options.mtu ?? DEFAULT_MTU) - HEADERS;
  const headerBytes = options.header ?? SAMPLE_HEADER_BYTES;
  if (headerBytes > maxMessageBytes - SAMPLE_OVERHEAD) {
    throw new RheoError(
      ErrorCode.usage,
      `target ${target.url}: a header of ${headerBytes} bytes does not fit into the mtu`,
      {
        remedy: `Write header=${maxMessageBytes - SAMPLE_OVERHEAD} or less, or a larger mtu.`,
      },
    );
  }
  const sflow = new SflowTarget(
    target.url,
    {
      hosts,
      queueBytes: options.queue ?? SAMPLE_QUEUE_BYTES,
      connect: connector(target, maxMessageBytes),
      wish: {
        oneIn: options.sampling ?? SAMPLE_ONE_IN,
        headerBytes,
        pollingMs: options.polling ?? POLLING_MS,
      },
      encoder: {
        maxMessageBytes,
        headerBytes,
        agent: options.agent ?? options.source,
        subAgent: options.subAgent ?? 0,
        expanded: options.expanded ?? false,
      },
      rate: options.rate,
      pace: PACE,
      patienceMs: context.lossless ? PATIENCE_LOSSLESS_MS : PATIENCE_MS,
    },
    context,
  );
  sflow.start();
  return sflow;
}

function openNetworkTarget(target: TargetUrl, context: ExportContext): Target {
  const { options, transport } = target;
  const datagrams = transport === 'udp';
  const maxMessageBytes = datagrams ? (options.mtu ?? DEFAULT_MTU) - HEADERS : STREAM_MESSAGE_BYTES;
  const encoder = encoderMaker(target, maxMessageBytes, context);
  const network = new NetworkTarget(
    target.url,
    {
      hosts: target.hosts,
      spread: options.spread ?? false,
      queueBytes: options.queue ?? QUEUE_BYTES,
      connect: connector(target, maxMessageBytes),
      encoder,
      datagrams,
      templateIntervalMs: options.templateInterval ?? TEMPLATE_INTERVAL_MS,
      templatePackets: options.templatePackets ?? TEMPLATE_PACKETS,
      rate: options.rate,
      pace: datagrams ? PACE : undefined,
      patienceMs: context.lossless ? PATIENCE_LOSSLESS_MS : PATIENCE_MS,
    },
    context,
  );
  network.start();
  return network;
}

/** What makes the encoder of each session. */
function encoderMaker(target: TargetUrl, maxMessageBytes: number, context: ExportContext): () => FlowEncoder {
  const { protocol, options, url, transport } = target;
  const { communityIdSeed, fields, interfaces } = context;
  if (protocol === 'syslog') {
    const sampling = context.sampling === undefined ? {} : { sampling: context.sampling };
    const members = recordMembers(context.keyParts ?? [], fields, { communityIdSeed, ...sampling });
    const syslog = {
      maxMessageBytes,
      framed: transport !== 'udp',
      facility: options.facility,
      app: options.app,
      format: options.format === 'json' ? ('json' as const) : ('data' as const),
      members: selectMembers(members, options.fields),
      lines: options.profile === undefined ? undefined : profileLines(url, options.profile, members, context),
    };
    return () => new SyslogEncoder(url, syslog);
  }
  const encode: EncodeContext = {
    fields,
    interfaces,
    communityIdSeed,
    // Counters that were multiplied already must not be multiplied again by the collector.
    sampling: context.sampling?.scale ? undefined : context.sampling,
    get startedMs() {
      return context.startedMs;
    },
  };
  const made = encodeOptions(target, maxMessageBytes);
  return () => createFlowEncoder(protocol as RecordProtocol, made, encode);
}

function connector({ url, transport, options }: TargetUrl, maxMessageBytes: number): Connect {
  const { ttl, source, device, ca, cert, key, name } = options;
  const from = source === undefined ? {} : { source };
  switch (transport) {
    case 'udp': {
      const udp = {
        maxMessageBytes,
        ...from,
        ...(ttl === undefined ? {} : { ttl }),
        ...(device === undefined ? {} : { device }),
      };
      return (peer, events) => connectUdp(peer, udp, events);
    }
    case 'tls': {
      const tls = Object.fromEntries(
        Object.entries({ ca, cert, key, name }).filter(([, value]) => value !== undefined),
      );
      for (const [option, path] of Object.entries({ ca, cert, key }))
        if (path !== undefined) readable(url, option, path);
      return (peer, events) => connectStream(peer, { maxMessageBytes, ...from, tls }, events);
    }
    case 'sctp':
      return connectSctp(url, maxMessageBytes);
    default:
      return (peer, events) => connectStream(peer, { maxMessageBytes, ...from }, events);
  }
}

/** Files that are missing shall be told at the start, not with each attempt to connect. */
function readable(url: string, option: string, path: string): void {
  try {
    if (readFileSync(path).includes('-----BEGIN ')) return;
  } catch (cause) {
    throw new RheoError(ErrorCode.usage, `target ${url}: option '${option}': ${(cause as Error).message}`, {
      remedy: `Give the path of a PEM file that we may read: ${option}=/etc/rheo/${option}.pem`,
      cause,
    });
  }
  throw new RheoError(ErrorCode.usage, `target ${url}: option '${option}': ${path} holds no PEM`, {
    remedy: 'A PEM file has a line -----BEGIN CERTIFICATE----- or -----BEGIN PRIVATE KEY-----.',
  });
}
