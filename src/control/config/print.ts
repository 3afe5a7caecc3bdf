import { Document, isMap, isScalar, isSeq, type Node } from 'yaml';
import { formatSize, formatTime } from '../../core/quantity.js';
import { redact } from '../redact.js';
import { completeSettings } from '../settings.js';
import type { LoadedConfig, Origin } from './load.js';
import { type Path, pathText } from './problems.js';
import { type Config, type ConfigInput, configSchema, meterOptions } from './schema.js';

/** A configuration as it would stand in a file; `configSchema` makes the same configuration of it again. */
export function configAsInput(config: Config): ConfigInput {
  const { ring, timeouts } = config;
  return {
    ...config,
    ring: { blockBytes: formatSize(ring.blockBytes), blocks: ring.blocks },
    activeTimeout: timeText(config.activeTimeout),
    timeouts: Object.fromEntries(
      Object.entries(timeouts).map(([name, ms]) => [name, timeText(ms)]),
    ) as ConfigInput['timeouts'],
    fragmentTimeout: timeText(config.fragmentTimeout),
    statisticsInterval: timeText(config.statisticsInterval),
    enrich: enrichInput(config.enrich),
  };
}

function enrichInput({ bgp, memory, ...rest }: Config['enrich']): ConfigInput['enrich'] {
  const listening = bgp === undefined ? {} : { bgp: { ...bgp, holdTime: timeText(bgp.holdTime) } };
  return { ...listening, ...rest, memory: formatSize(memory) };
}

function timeText(ms: number): string {
  return ms === Number.POSITIVE_INFINITY ? 'never' : formatTime(ms);
}

/** `configAsInput` with the defaults that come from the machine, and without what looks like a secret. */
export function effectiveInput(config: Config): ConfigInput {
  const { maxFlows } = completeSettings(meterOptions(config));
  const input: ConfigInput = { ...configAsInput(config), maxFlows };
  const inOrder = Object.keys(configSchema.shape).map((key) => [key, input[key as keyof ConfigInput]] as const);
  return withoutSecrets(Object.fromEntries(inOrder.filter(([, value]) => value !== undefined))) as ConfigInput;
}

function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutSecrets(member)]));
}

/** The configuration in force as a file, each value with where it comes from if that is wanted. */
export function printYaml(loaded: LoadedConfig, withOrigins: boolean): string {
  const document = new Document(effectiveInput(loaded.config));
  mark(document.contents, [], (at) => (withOrigins ? originText(loaded.origin(at)) : undefined));
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Lists on one line; origins as comments behind values. */
function mark(node: unknown, at: Path, origin: (at: Path) => string | undefined): void {
  if (isMap(node)) {
    for (const { key, value } of node.items) mark(value, [...at, String(isScalar(key) ? key.value : key)], origin);
    return;
  }
  if (isSeq(node)) node.flow = !node.items.some((item) => isScalar(item) && String(item.value).length > 30);
  const comment = origin(at);
  if (comment !== undefined) (node as Node).comment = ` ${comment}`;
}

/** The same as JSON: an object as the file has it, or with origins a list of `key`, `value`, `origin`, `where`. */
export function printJson(loaded: LoadedConfig, withOrigins: boolean): string {
  const input = effectiveInput(loaded.config);
  return `${JSON.stringify(withOrigins ? listed(input, loaded) : input, null, 2)}\n`;
}

function listed(input: ConfigInput, loaded: LoadedConfig): unknown[] {
  const list: unknown[] = [];
  const add = (value: unknown, at: Path): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, member] of Object.entries(value)) add(member, [...at, key]);
    } else {
      const { kind, where } = loaded.origin(at);
      list.push({ key: pathText(at), value, origin: kind, ...(where === '' ? {} : { where }) });
    }
  };
  add(input, []);
  return list;
}

function originText({ kind, where }: Origin): string {
  return kind === 'default' ? 'default' : where;
}
