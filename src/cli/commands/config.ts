import { configJsonSchema } from '../../control/config/json-schema.js';
import { findConfigFile, type LoadedConfig, loadConfig } from '../../control/config/load.js';
import { printJson, printYaml } from '../../control/config/print.js';
import { ConfigError, pathText } from '../../control/config/problems.js';
import { ErrorCode, RheoError } from '../../core/errors.js';
import { Output } from '../../export/output.js';
import { safeText } from '../../tui/text.js';
import type { ParsedArguments } from '../parse.js';
import { runOverrides, unknownVariables } from '../run-options.js';
import { CONFIG_VERBS } from '../spec/config.js';

/** `rheo config`. Returns the exit code. */
export async function runConfig(parsed: ParsedArguments): Promise<number> {
  const { values } = parsed;
  const [verb, operand, surplus] = [...parsed.operands, ...(parsed.rest ?? [])];
  const output = new Output(1, 'standard output');
  const json = values.has('json');
  if (surplus !== undefined || (verb === 'schema' && operand !== undefined)) {
    throw new RheoError(ErrorCode.usage, `config ${verb}: '${surplus ?? operand}' is too much`, { remedy: USE });
  }
  const given = operand ?? (values.get('config') as string | undefined);
  const load = (): LoadedConfig => {
    const file = given ?? findConfigFile();
    return loadConfig(file, runOverrides({ ...parsed, operands: [], rest: undefined }));
  };
  switch (verb) {
    case 'check':
      return check(load, json, output);
    case 'print': {
      const loaded = load();
      const withOrigins = values.has('origin');
      output.text(json ? printJson(loaded, withOrigins) : printYaml(loaded, withOrigins));
      return 0;
    }
    case 'schema':
      output.text(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
      return 0;
    default:
      throw new RheoError(ErrorCode.usage, verb === undefined ? 'config: what?' : `config: there is no '${verb}'`, {
        remedy: USE,
      });
  }
}

const USE = `Use: rheo config ${CONFIG_VERBS.join('|')} [FILE]`;

function check(load: () => LoadedConfig, json: boolean, output: Output): number {
  const warnings = unknownVariables(process.env);
  for (const warning of json ? [] : warnings) process.stderr.write(`rheo: ${safeText(warning)}\n`);
  try {
    const { file } = load();
    if (json) output.text(`${JSON.stringify({ file: file ?? null, problems: [], warnings })}\n`);
    else output.text(`${file ?? 'no file, only defaults'}: all right\n`);
    return 0;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    const problems = error.problems.map(({ where, line, column, path, message, remedy }) => {
      return { where, line, column, key: pathText(path), message, remedy };
    });
    output.text(`${JSON.stringify({ problems, warnings })}\n`);
    return error.exitCode;
  }
}
