import { ErrorCode, RheoError } from '../../core/errors.js';
import type { ExportContext } from '../../model/target.js';
import type { TargetUrl } from '../target-url.js';
import { compressor } from './compress.js';
import { FILE_SYSTEM, type FileSystem } from './file-system.js';
import { FileTarget } from './file-target.js';
import { FileWriter } from './file-writer.js';
import type { Emit } from './format.js';
import { fileFormat, wholeFinder } from './formats.js';
import { NamePattern } from './name-pattern.js';
import { findWhole, recoverFiles } from './recover.js';
import { retain } from './retention.js';

const QUEUE_BYTES = 32 * 2 ** 20;
const PATIENCE_LOSSLESS_MS = 10_000;
const PATIENCE_MS = 3_000;

/**
 * Opens a target of files: what an earlier process left is recovered, then the first file begins.
 * @throws RheoError `RHEO_USAGE` for options, `RHEO_OUTPUT` where the directory is missing
 */
export async function openFileTarget(
  target: TargetUrl,
  context: ExportContext,
  files: FileSystem = FILE_SYSTEM,
): Promise<FileTarget> {
  const { url, options } = target;
  const { path, format: formatName, compression } = target.file!;
  const rotates = options.rotate !== undefined || options.rotateSize !== undefined;
  const names = new NamePattern(path, rotates);
  const compress = compressor(compression, url);
  const emit: Emit = (bytes, length, records, position) => writer.append(bytes, length, records, position);
  const format = await fileFormat(target, context, emit);
  const limits = { keepMs: options.keep, keepBytes: options.keepSize };
  if (!(await files.facts(names.root))?.isDirectory && !(await isDirectoryLink(files, names.root))) {
    throw new RheoError(ErrorCode.output, `target ${url}: there is no directory ${names.root}`, {
      remedy: `Make it first: mkdir -p ${names.root}`,
    });
  }
  await recover();
  let retaining = false;
  const clean = (nowMs: number): void => {
    if (retaining || (limits.keepMs === undefined && limits.keepBytes === undefined)) return;
    retaining = true;
    retain(files, names, limits, nowMs)
      .then(
        (removed) => removed.length > 0 && context.log('info', `${url}: removed ${removed.length} old files`),
        (error: Error) => context.log('warn', `${url}: cannot remove old files: ${error.message}`),
      )
      .finally(() => {
        retaining = false;
      });
  };
  const writer = new FileWriter({
    files,
    names,
    compress,
    queueBytes: options.queue ?? QUEUE_BYTES,
    // As other programs that read a capture into a file; a daemon never writes over what an earlier run has left.
    replace: context.lossless && !rotates,
    log: context.log,
    moved: () => opened?.moved(),
    finished: () => clean(Date.now()),
  });
  let opened: FileTarget | undefined;
  opened = new FileTarget(
    url,
    writer,
    format,
    {
      rotateMs: options.rotate,
      rotateBytes: options.rotateSize,
      patienceMs: context.lossless ? PATIENCE_LOSSLESS_MS : PATIENCE_MS,
      retain: clean,
    },
    context,
  );
  return opened;

  async function recover(): Promise<void> {
    try {
      const find = findWhole(formatName, compression, await wholeFinder(formatName));
      for (const name of await recoverFiles(files, names, find)) {
        context.log('info', `${url}: recovered ${name}, which an earlier process left unfinished`);
      }
    } catch (error) {
      context.log('warn', `${url}: cannot look for unfinished files: ${(error as Error).message}`);
    }
  }
}

/** The user may name a link to a directory; only what is found on the way down is not followed. */
async function isDirectoryLink(files: FileSystem, root: string): Promise<boolean> {
  try {
    await files.list(root);
    return true;
  } catch {
    return false;
  }
}
