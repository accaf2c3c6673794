/** Which pages may open documents. */

import { expect, test } from 'vitest';
import { isForeignPage } from '#gateway/page-origin.ts';

test.each([
  ['', '127.0.0.1:8080'],
  ['http://localhost', '127.0.0.1:8080'],
  ['http://localhost:5173', '127.0.0.1:8080'],
  ['http://127.0.0.1:8080', 'localhost:8080'],
  ['http://127.8.9.10', 'localhost:8080'],
  ['http://[::1]:8080', '[::1]:8080'],
  ['https://docs.example.org', 'docs.example.org'],
  ['https://docs.example.org', 'docs.example.org:443'],
  ['http://docs.example.org:8080', 'Docs.Example.org:8080'],
])('GW85: %j is let in at %j', (origin, host) => {
  expect(isForeignPage(origin, host)).toBe(false);
});

test.each([
  ['https://example.org', '127.0.0.1:8080'],
  ['http://localhost.example.org', '127.0.0.1:8080'],
  ['http://127.0.0.1.example.org', '127.0.0.1:8080'],
  ['http://example.org:8080', 'example.org:8081'],
  ['https://example.org', 'docs.example.org'],
  ['http://192.168.1.5', '127.0.0.1:8080'],
  ['null', '127.0.0.1:8080'],
  ['file://', ''],
  ['not an origin', 'not an origin'],
])('GW85: %j is foreign at %j', (origin, host) => {
  expect(isForeignPage(origin, host)).toBe(true);
});
