import { configJsonSchema, type JsonSchema } from './json-schema.js';

/** The part of docs/configuration.md that comes from the schema: a table for each group of keys. */
export function configReference(): string {
  const groups: string[] = [];
  describeGroup('', configJsonSchema(), groups);
  return groups.join('\n');
}

function describeGroup(prefix: string, schema: JsonSchema, groups: string[]): void {
  const rows: string[] = [];
  const inner: [string, JsonSchema][] = [];
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    const key = `${prefix}${name}`;
    const nested = nestedKeys(member);
    if (nested === undefined) {
      rows.push(
        `| \`${key}\` | ${cell(kindOf(member))} | ${defaultOf(member)} | ${cell(sentence(member.description))} |`,
      );
    } else
      inner.push([
        key,
        { ...nested, ...(member.description === undefined ? {} : { description: member.description }) },
      ]);
  }
  if (rows.length > 0) {
    const title = prefix === '' ? '### At the top' : `### \`${prefix.slice(0, -1)}\``;
    const about = prefix === '' ? '' : `\n${sentence(schema.description)}\n`;
    groups.push(`${title}\n${about}\n| key | value | default | |\n|---|---|---|---|\n${rows.join('\n')}\n`);
  }
  for (const [key, member] of inner) describeGroup(`${key}.`, member, groups);
}

/** Of `sampling`, which may also be a word, the way with keys; not of lists, whose members may have any. */
function nestedKeys(schema: JsonSchema): JsonSchema | undefined {
  if (schema.properties !== undefined) return schema;
  return schema.anyOf?.find((way) => way.properties !== undefined && way.additionalProperties === false);
}

function kindOf(schema: JsonSchema): string {
  const ways = flatten(schema);
  const numbers = ways.filter((way) => way.type === 'integer' || way.type === 'number');
  const kinds = new Set<string>();
  for (const way of ways) {
    if (way.enum !== undefined) for (const value of way.enum) kinds.add(`\`${value}\``);
    else if (way.const !== undefined) kinds.add(`\`${way.const}\``);
    else if (way.type === 'boolean') kinds.add('`true`, `false`');
    else if (way.type === 'array') kinds.add(`list of ${way.items?.enum === undefined ? 'texts' : 'names'}`);
    else if (numbers.length === 0) kinds.add('text');
  }
  for (const number of numbers) kinds.add(quantityOf(number, ways));
  return [...kinds].join(', ').replace('list of texts, text', 'text or list of texts');
}

function quantityOf(number: JsonSchema, ways: readonly JsonSchema[]): string {
  if (number.type === 'number') return 'time';
  const isSize = ways.some((way) => way.pattern?.includes('[bB]') === true);
  return `${isSize ? 'size' : 'number'}, ${number.minimum} to ${number.maximum}`;
}

function flatten(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(flatten);
}

function defaultOf({ default: value }: JsonSchema): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.length === 0 ? 'empty' : value.map((one) => `\`${one}\``).join(', ');
  return `\`${String(value)}\``;
}

function sentence(text = ''): string {
  return text === '' ? '' : `${text}.`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
