/**
 * The built pages, read into memory at the start: what is not in the folder then can't be asked for, whatever the path says.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative, sep } from 'node:path';
import type { HttpAnswer } from '#gateway/edge.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.map': 'application/json',
};

/** Nothing from elsewhere, and nobody may frame the page. Styles are inline in CodeMirror. */
const securityHeaders = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** Vite puts a hash of the content into the names of what is under this path. */
const hashedPath = '/assets/';

function filesUnder(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

/** Answers by path for every file in `folder`; `/` is `index.html`. Empty where the folder is not there. */
export function readPages(folder: string): ReadonlyMap<string, HttpAnswer> {
  const pages = new Map<string, HttpAnswer>();
  for (const file of filesUnder(folder)) {
    const path = `/${relative(folder, file).split(sep).join('/')}`;
    const type = contentTypes[extname(file)] ?? 'application/octet-stream';
    const caching = path.startsWith(hashedPath) ? 'public, max-age=31536000, immutable' : 'no-cache';
    const headers = { ...securityHeaders, 'content-type': type, 'cache-control': caching };
    const answer = { status: 200, headers, body: readFileSync(file) };
    pages.set(path, answer);
    if (path === '/index.html') pages.set('/', answer);
  }
  return pages;
}
