const USER_OF_URL = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi;
const SECRET_MEMBER =
  /\b((?:[\w-]*(?:password|passwd|passphrase|secret|token|api[-_]?key|credentials?)|authorization)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|(?:bearer|basic)\s+\S+|[^\s,&;}"']+)/gi;
const BEARER = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi;

/**
 * Text without what looks like a secret: users and passwords in URLs, values called password, token and the like, bearer
 * tokens. Secrets are read from files and belong in no text; this is for those that somebody put elsewhere.
 */
export function redact(text: string): string {
  return text
    .replace(USER_OF_URL, '$1***@')
    .replace(SECRET_MEMBER, (whole, name: string) => (/file["']?\s*[=:]\s*$/i.test(name) ? whole : `${name}***`))
    .replace(BEARER, '$1 ***');
}
