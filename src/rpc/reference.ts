import type { z } from 'zod';
import { ErrorCode } from '../core/errors.js';
import { RPC_LIMITS } from './limits.js';
import { RpcCode } from './messages.js';
import { METHOD_NAMES, METHODS } from './methods.js';
import { jsonSchema } from './openrpc.js';

/** The page docs/rpc.md: what is written here, with the tables of methods, errors and limits as they are in the code. */

type Json = Record<string, unknown>;

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** A schema in a few words: `text`, `integer 1…10000`, `one of a, b`, `list of {…}`. */
function typeText(schema: Json): string {
  if (Array.isArray(schema.anyOf)) return (schema.anyOf as Json[]).map(typeText).join(' or ');
  if (Array.isArray(schema.oneOf)) return (schema.oneOf as Json[]).map(typeText).join(' or ');
  if (Array.isArray(schema.enum)) return schema.enum.map((word) => `\`${String(word)}\``).join(', ');
  switch (schema.type) {
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return `${schema.type}${rangeText(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'array':
      return `list of ${typeText(schema.items as Json)}`;
    case 'object':
      return objectText(schema);
    default:
      return 'any JSON';
  }
}

function rangeText({ minimum, maximum }: Json): string {
  return minimum === undefined || maximum === undefined ? '' : ` ${minimum}…${maximum}`;
}

function objectText(schema: Json): string {
  const { properties, additionalProperties } = schema as {
    properties?: Record<string, Json>;
    additionalProperties?: Json;
  };
  if (properties !== undefined) return `{${Object.keys(properties).join(', ')}}`;
  return typeof additionalProperties === 'object' ? `${typeText(additionalProperties)} by name` : 'object';
}

function paramsText(schema: z.ZodType): string {
  const { properties = {}, required = [] } = jsonSchema(schema) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  const names = Object.entries(properties);
  if (names.length === 0) return 'No parameters.\n';
  let text = '| parameter | type | |\n|---|---|---|\n';
  for (const [name, property] of names) {
    const about = [required.includes(name) ? 'required' : '', (property.description as string | undefined) ?? ''];
    text += `| \`${name}\` | ${cell(typeText(property))} | ${cell(about.filter((part) => part !== '').join('; '))} |\n`;
  }
  return text;
}

function resultText(schema: z.ZodType): string {
  const json = jsonSchema(schema);
  const { properties, description } = json as { properties?: Record<string, Json>; description?: string };
  const about = description === undefined ? '' : `: ${description}`;
  const inner = json.type === 'array' ? (json.items as { properties?: Record<string, Json> }).properties : properties;
  if (inner === undefined) return `Result: ${typeText(json)}${about}.\n`;
  let text = `Result${json.type === 'array' ? ', a list of' : ''}:\n\n| member | type | |\n|---|---|---|\n`;
  for (const [name, property] of Object.entries(inner)) {
    text += `| \`${name}\` | ${cell(typeText(property))} | ${cell((property.description as string | undefined) ?? '')} |\n`;
  }
  return text;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function methodsText(): string {
  let text = '';
  for (const name of METHOD_NAMES) {
    const { summary, description, params, result, changes } = METHODS[name];
    text += `### ${name}\n\n${sentence(summary)}`;
    if (changes) text += ' Changes the daemon.';
    if (description !== undefined) text += ` ${description}`;
    text += `\n\n${paramsText(params)}\n${resultText(result)}\n`;
  }
  return text;
}

const ERROR_MEANINGS: Readonly<Record<keyof typeof RpcCode, string>> = {
  parse: 'not JSON, not UTF-8, or nested too deep',
  invalidRequest: 'not a request, or one that is not possible here',
  methodNotFound: 'there is no such method',
  invalidParams: 'wrong parameters, among them a wrong filter',
  internal: 'a fault of the daemon; its log has the details',
  failed: 'the daemon could not do it; `data.code` says why',
  limit: 'a limit is reached',
  access: 'not allowed',
};

function errorsText(): string {
  let text = '| code | meaning |\n|---|---|\n';
  for (const [name, code] of Object.entries(RpcCode)) {
    text += `| ${code} | ${ERROR_MEANINGS[name as keyof typeof RpcCode]} |\n`;
  }
  return `${text}\nValues of \`data.code\`: ${Object.values(ErrorCode)
    .map((code) => `\`${code}\``)
    .join(', ')}.\n`;
}

function limitsText(): string {
  const mebibytes = (bytes: number): string => `${bytes / (1 << 20)} MiB`;
  const seconds = (ms: number): string => `${ms / 1000} s`;
  const rows: [string, string][] = [
    ['a request', mebibytes(RPC_LIMITS.requestBytes)],
    ['brackets inside brackets', String(RPC_LIMITS.depth)],
    ['requests in a batch', String(RPC_LIMITS.batch)],
    ['answers of a batch together', mebibytes(RPC_LIMITS.batchAnswerBytes)],
    ['connections of a transport', String(RPC_LIMITS.connections)],
    ['requests of a connection that are worked on at one time', String(RPC_LIMITS.concurrent)],
    ['subscriptions of a connection', String(RPC_LIMITS.subscriptionsEach)],
    ['subscriptions of all', String(RPC_LIMITS.subscriptions)],
    ['what waits for a reader before events for it are dropped', mebibytes(RPC_LIMITS.queueBytes)],
    ['a reader that takes nothing of what waits is let go after', seconds(RPC_LIMITS.stallMs)],
    ['a request that is not whole is given up after', seconds(RPC_LIMITS.requestMs)],
  ];
  return `| limit | |\n|---|---|\n${rows.map(([what, limit]) => `| ${what} | ${limit} |\n`).join('')}`;
}

const HEAD = `# Asking a running daemon

<!-- Made by scripts/generate-rpc-docs.mjs from src/rpc: change it there. -->

A daemon answers JSON-RPC 2.0 over a Unix socket and, if it is told to, over HTTP. \`rheo ctl\` and the client of the library
speak it; any program can. [openrpc.json](openrpc.json) describes the methods for machines (the daemon hands it out by
\`rpc.discover\`), [openapi.json](openapi.json) the HTTP side (\`GET /openapi.json\`).

## Unix socket

\`/run/rheo/control.sock\` for root, else \`rheo/control.sock\` in \`XDG_RUNTIME_DIR\` (without it: \`~/.local/state\`). Mode 0600;
0660 if a group is given. A message is a line of JSON:

\`\`\`console
$ echo '{"jsonrpc":"2.0","id":1,"method":"version"}' | nc -N -U /run/rheo/control.sock
{"jsonrpc":"2.0","id":1,"result":{"version":"0.1.0","node":"20.20.2","pid":4711,"started":"2026-11-21T10:00:00.000Z"}}
\`\`\`

Requests of one connection are worked on side by side, so answers may come in another order: the \`id\` tells which is which.
Parameters are given by name. A daemon that finds a socket on its path asks who listens: if nobody does, it is taken away; if a
daemon does, the new one refuses to start and names its process.

### Subscriptions

After \`subscribe\` come notifications, until \`unsubscribe\` or the end of what the client sends:

\`\`\`json
{"jsonrpc":"2.0","method":"event","params":{"subscription":1,"event":{"type":"records","flows":[]}}}
\`\`\`

Events have the type \`records\` (with \`flows\`), \`statistics\` (with \`statistics\`) or \`event\` (with \`time\`, \`level\`, \`message\`).
Nobody waits for a slow reader: while too much waits for it, events are dropped, and the next one that gets through has
\`dropped\`, the number of those that did not. The ledger counts their records.

### Dumps

The answer to \`dump\` is followed by pieces: a line with the length of the piece in bytes, then the bytes. A length of 0 ends
them, and a line of JSON tells how it went:

\`\`\`
{"jsonrpc":"2.0","id":1,"result":{"format":"ndjson"}}
65112
…65112 bytes…
0
{"bytes":65112,"complete":true}
\`\`\`

With \`"complete":false\` comes an \`error\`. A dump is read from the table as its reader takes it, and a reader that leaves ends
it; it needs a connection without other requests and subscriptions, on which requests are answered again afterwards.

## HTTP

| | |
|---|---|
| \`POST /rpc\` | JSON-RPC, with the content type \`application/json\` |
| \`GET /events?what=records,statistics,events\` | server-sent events, named as what was asked for; \`dropped\` before one if some were left out |
| \`GET /dump?filter=…&format=ndjson\` | the bytes of a dump |
| \`GET /metrics\` | for Prometheus |
| \`GET /healthz\` | \`{"status":"ok"}\` or \`degraded\`; without token |
| \`GET /openapi.json\` | OpenAPI document |

On loopback no token is needed, but without one nothing can be changed: methods that change the daemon are refused. With a token
file every request but \`/healthz\` needs \`Authorization: Bearer TOKEN\`. On any other address the daemon refuses to start without
TLS and token; it can ask for certificates of clients besides. Requests whose \`Host\` is another's (DNS rebinding) or whose
\`Origin\` is another site are refused.

\`\`\`console
$ curl -H "Authorization: Bearer $(cat token)" -H 'content-type: application/json' \\
    -d '{"jsonrpc":"2.0","id":1,"method":"flows","params":{"filter":"tcp and bytes > 1M"}}' http://127.0.0.1:8080/rpc
\`\`\`

## From a program

\`\`\`ts
import { connect } from 'rheo/client';

const daemon = await connect(); // or { socket: PATH }, or { url, token }
const { flows } = await daemon.call('flows', { filter: 'host 10.0.0.1', sort: 'rate', limit: 10 });
for await (const event of await daemon.subscribe('records')) {
  if (event.type === 'records') console.log(event.flows.length);
}
for await (const bytes of daemon.dump({ format: 'ndjson' })) process.stdout.write(bytes);
daemon.close();
\`\`\`

Errors are \`RheoError\`s with the code, message and remedy of the daemon; \`RHEO_CONTROL\` if none answers.

`;

/** The whole page. */
export function referencePage(): string {
  return `${HEAD}## Errors

An error has a \`code\` of JSON-RPC, a \`message\`, and in \`data\` a stable \`code\` of rheo and mostly a \`remedy\`.

${errorsText()}
## Limits

${limitsText()}
When all connections are taken, the one that has been silent longest and waits for nothing makes room.

## Methods

${methodsText().trimEnd()}
`;
}
