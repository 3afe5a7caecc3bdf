import { z } from 'zod';
import type { Path } from './problems.js';
import { configSchema } from './schema.js';

/** The parts of JSON Schema that zod makes of ours. */
export interface JsonSchema {
  title?: string;
  description?: string;
  type?: string;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  minimum?: number;
  maximum?: number;
}

let made: JsonSchema | undefined;

/** What may stand in the file, as JSON Schema 2020-12. */
export function configJsonSchema(): JsonSchema {
  made ??= {
    title: 'rheo.yaml',
    description: 'Configuration of rheo run',
    ...(z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema),
  };
  return made;
}

/** Keys that may stand at a path. */
export function keysAt(path: Path): readonly string[] {
  let schemas = [configJsonSchema()];
  for (const part of path) schemas = schemas.flatMap(ways).flatMap((schema) => below(schema, part));
  return schemas.flatMap(ways).flatMap((schema) => Object.keys(schema.properties ?? {}));
}

/** A schema, or those of which one must fit. */
function ways(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(ways);
}

function below(schema: JsonSchema, part: string | number): JsonSchema[] {
  if (typeof part === 'number') return schema.items === undefined ? [] : [schema.items];
  const { properties } = schema;
  return properties !== undefined && Object.hasOwn(properties, part) ? [properties[part]] : [];
}
