import { lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';

/** An open file; what `FileHandle` of node:fs has, as far as it is needed here. */
export interface OpenFile {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  read(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** What a directory entry or path is; links are not followed. */
export interface FileFacts {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly size: number;
  readonly modifiedMs: number;
}

/** The file system as targets use it; tests put one in its place that fails. */
export interface FileSystem {
  open(path: string, flags: 'wx' | 'r+'): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes a directory and those above it. */
  mkdir(path: string): Promise<void>;
  /** Names in a directory. */
  list(path: string): Promise<string[]>;
  /** Undefined where there is nothing. */
  facts(path: string): Promise<FileFacts | undefined>;
}

export const FILE_SYSTEM: FileSystem = {
  open: (path, flags) => open(path, flags, 0o640),
  rename,
  unlink,
  async mkdir(path) {
    await mkdir(path, { recursive: true });
  },
  list: (path) => readdir(path),
  async facts(path) {
    try {
      const stats = await lstat(path);
      return {
        isFile: stats.isFile(),
        isDirectory: stats.isDirectory(),
        size: stats.size,
        modifiedMs: stats.mtimeMs,
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
};
