import { z } from 'zod';
import { METHOD_NAMES, METHODS } from './methods.js';

type Json = Record<string, unknown>;

/** JSON Schema (2020-12) of a schema, without what says only which dialect it is. Answers may get further members later. */
export function jsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema: made }) => {
      // That integers are exact in a double goes without saying.
      if (made.minimum === Number.MIN_SAFE_INTEGER) delete made.minimum;
      if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
    },
  }) as Json;
  return rest;
}

/** The table of methods as an OpenRPC 1.3 document (spec.open-rpc.org). */
export function openRpcDocument(version: string): Json {
  return {
    openrpc: '1.3.2',
    info: {
      title: 'rheo',
      version,
      description:
        'Control of a running rheo, by JSON-RPC 2.0 over a Unix socket (a message a line) or HTTP (POST /rpc).',
      license: { name: 'Apache-2.0' },
    },
    methods: METHOD_NAMES.map((name) => {
      const { summary, description, params, result, changes } = METHODS[name];
      const { properties = {}, required = [] } = jsonSchema(params) as {
        properties?: Record<string, Json>;
        required?: string[];
      };
      return {
        name,
        summary,
        ...(description === undefined ? {} : { description }),
        tags: [{ name: changes ? 'changes' : 'reads' }],
        paramStructure: 'by-name',
        params: Object.entries(properties).map(([param, { description: about, ...schema }]) => ({
          name: param,
          ...(about === undefined ? {} : { description: about }),
          required: required.includes(param),
          schema,
        })),
        result: { name: 'result', schema: jsonSchema(result) },
      };
    }),
  };
}
