import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { ErrorCode, RheoError } from '../core/errors.js';
import { isLoopback } from './http-address.js';

/** Shorter ones can be guessed. */
const MIN_TOKEN = 16;
const MAX_TOKEN = 4096;

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A bearer token (RFC 6750), compared in a time that does not depend on where a guess is wrong. */
export class Token {
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = digest(token);
  }

  /** @param header value of Authorization */
  accepts(header: string | undefined): boolean {
    const match = /^Bearer +([\x21-\x7e]+) *$/i.exec(header ?? '');
    // Digests have the same length whatever was sent.
    return timingSafeEqual(digest(match?.[1] ?? ''), this.#digest) && match !== null;
  }
}

/** First line of the file. @throws RheoError `RHEO_INPUT`, `RHEO_USAGE` */
export function readToken(file: string): Token {
  const token = readSecret(file, 'the token').split('\n', 1)[0].trim();
  if (token.length < MIN_TOKEN || token.length > MAX_TOKEN || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RheoError(
      ErrorCode.usage,
      `${file}: a token has ${MIN_TOKEN} to ${MAX_TOKEN} printable ASCII characters without blanks`,
      { remedy: `Make one: (umask 077; openssl rand -hex 32 > ${file})` },
    );
  }
  return new Token(token);
}

/** @throws RheoError `RHEO_INPUT` */
export function readSecret(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new RheoError(ErrorCode.input, `${file}: ${what} cannot be read: ${code}`, {
      remedy: 'Check the name and the rights of the file.',
      cause,
    });
  }
}

/** Host of a Host header or an authority, without port and brackets, in lower case; undefined if it is none. */
function hostOf(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/?#@[\]]+))(?::\d{1,5})?$/i.exec(header ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/**
 * Whom a request may mean to speak to. A page in a browser that had its name point to our address (DNS rebinding) is known by
 * that name in Host: only addresses, localhost, this machine's name and those in `names` are taken.
 */
export class HostCheck {
  readonly #names: ReadonlySet<string>;
  readonly #loopback: boolean;

  /** @param loopback true if only this machine can ask: then other addresses are wrong as well */
  constructor(names: readonly string[], loopback: boolean) {
    this.#names = new Set([...names, ...(loopback ? [] : [hostname()])].map((name) => name.toLowerCase()));
    this.#loopback = loopback;
  }

  /** @param header value of Host */
  accepts(header: string | undefined): boolean {
    const host = hostOf(header);
    if (host === undefined) return false;
    if (isLoopback(host) || this.#names.has(host)) return true;
    return !this.#loopback && isIP(host) !== 0;
  }
}

/** False if a page of another site asks. Programs send no Origin. */
export function isSameOrigin(origin: string | undefined, scheme: 'http' | 'https', host: string | undefined): boolean {
  if (origin === undefined) return true;
  return origin.toLowerCase() === `${scheme}://${host ?? ''}`.toLowerCase();
}
