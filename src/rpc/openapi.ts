import { DUMP_FORMATS, SUBSCRIPTIONS } from './method-types.js';
import { METHOD_NAMES, METHODS } from './methods.js';
import { jsonSchema } from './openrpc.js';
import { event } from './schemas.js';

type Json = Record<string, unknown>;

const ERROR = { $ref: '#/components/schemas/Answer' };
/** Methods that have a way of their own over HTTP. */
const OTHERWISE: ReadonlySet<string> = new Set(['dump', 'subscribe', 'unsubscribe']);

function refusal(description: string): Json {
  return { description, content: { 'application/json': { schema: ERROR } } };
}

const REFUSALS: Json = {
  '400': refusal('wrong parameters'),
  '401': refusal('the token is missing or wrong'),
  '403': refusal('the request comes from a page of another site'),
  '421': refusal('the Host header names somebody else'),
};

function operation(summary: string, operationId: string, answers: Json, more: Json = {}): Json {
  return { summary, operationId, ...more, responses: { ...answers, ...REFUSALS } };
}

function answer(description: string, type: string, schema: Json): Json {
  return { '200': { description, content: { [type]: { schema } } } };
}

function filterParameter(): Json {
  return {
    name: 'filter',
    in: 'query',
    description: 'flow filter; absent: all flows',
    schema: { type: 'string', maxLength: 4096 },
  };
}

/** The HTTP side as an OpenAPI 3.1 document; methods of /rpc as in the OpenRPC document. */
export function openApiDocument(version: string): Json {
  const methods = METHOD_NAMES.filter((name) => !OTHERWISE.has(name));
  return {
    openapi: '3.1.0',
    info: {
      title: 'rheo',
      version,
      description:
        'Control of a running rheo. /rpc takes JSON-RPC 2.0; GET /events and GET /dump stand for its methods subscribe and dump.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    paths: {
      '/rpc': {
        post: operation(
          'call methods: a request, or a batch of them',
          'rpc',
          {
            ...answer('answers, or the error of each request', 'application/json', {
              oneOf: [ERROR, { type: 'array', items: ERROR }],
            }),
            '204': { description: 'only notifications were sent' },
            '413': refusal('the request is too long'),
            '415': refusal('the request is not application/json'),
          },
          {
            requestBody: {
              required: true,
              content: {
                'application/json': {
                  schema: {
                    oneOf: [
                      { $ref: '#/components/schemas/Request' },
                      { type: 'array', items: { $ref: '#/components/schemas/Request' } },
                    ],
                  },
                },
              },
            },
          },
        ),
      },
      '/events': {
        get: operation(
          'what happens, as server-sent events',
          'events',
          {
            ...answer(
              'events named as what was asked for; `dropped` before one when some were left out',
              'text/event-stream',
              {
                $ref: '#/components/schemas/Event',
              },
            ),
            '503': refusal('too many subscriptions'),
          },
          {
            parameters: [
              {
                name: 'what',
                in: 'query',
                required: true,
                style: 'form',
                explode: false,
                schema: { type: 'array', items: { enum: [...SUBSCRIPTIONS] } },
              },
            ],
          },
        ),
      },
      '/dump': {
        get: operation(
          METHODS.dump.summary,
          'dump',
          {
            '200': {
              description: 'the flows; a body that is broken off is not complete',
              content: { 'application/x-ndjson': {}, 'application/octet-stream': {} },
            },
          },
          {
            parameters: [
              filterParameter(),
              { name: 'format', in: 'query', schema: { enum: [...DUMP_FORMATS], default: 'ndjson' } },
            ],
          },
        ),
      },
      '/metrics': {
        get: operation(METHODS.metrics.summary, 'metrics', answer('counters', 'text/plain', { type: 'string' })),
      },
      '/healthz': {
        get: {
          ...operation(
            'whether all is well; needs no token',
            'healthz',
            answer('the daemon answers', 'application/json', {
              type: 'object',
              properties: { status: { enum: ['ok', 'degraded'] } },
              required: ['status'],
            }),
          ),
          security: [],
        },
      },
      '/openapi.json': {
        get: operation('this document', 'openapi', answer('OpenAPI', 'application/json', { type: 'object' })),
      },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: {
        Request: {
          oneOf: methods.map((name) => ({
            type: 'object',
            description: METHODS[name].summary,
            properties: {
              jsonrpc: { const: '2.0' },
              id: { type: ['string', 'number', 'null'], description: 'absent: no answer is wanted' },
              method: { const: name },
              params: jsonSchema(METHODS[name].params),
            },
            required: ['jsonrpc', 'method'],
          })),
        },
        Answer: {
          type: 'object',
          properties: {
            jsonrpc: { const: '2.0' },
            id: { type: ['string', 'number', 'null'] },
            result: { description: 'as the method says (openrpc.json)' },
            error: {
              type: 'object',
              properties: {
                code: { type: 'integer' },
                message: { type: 'string' },
                data: {
                  type: 'object',
                  properties: { code: { type: 'string' }, remedy: { type: 'string' } },
                  required: ['code'],
                },
              },
              required: ['code', 'message'],
            },
          },
          required: ['jsonrpc', 'id'],
        },
        Event: jsonSchema(event),
      },
    },
  };
}
