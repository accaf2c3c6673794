/**
 * Opens the page where there is no network.
 *
 * The text is in this browser anyway; what is missing without a server is the page itself. One file serves all documents, so one copy of it is kept, with
 * the files that it names. The network comes first, so a new version shows with the next load; the copy is what is left when the server
 * can't be reached or is not well. Nothing but the page at `/` and its files is touched.
 */

const worker = self as unknown as ServiceWorkerGlobalScope;
const cacheName = 'inkstream-page';

worker.addEventListener('install', (event) =>
  event.waitUntil(
    fetch('/', { cache: 'no-cache' })
      .then(keepPage)
      .then(() => worker.skipWaiting()),
  ),
);

worker.addEventListener('fetch', (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method !== 'GET' || origin !== worker.location.origin) return;
  if (event.request.mode === 'navigate' && pathname === '/') event.respondWith(servePage(event));
  else if (pathname.startsWith('/assets/')) event.respondWith(serveAsset(event.request));
});

async function servePage(event: FetchEvent): Promise<Response> {
  const fresh = await fetch(event.request).catch(() => undefined);
  if (fresh?.ok) {
    event.waitUntil(keepPage(fresh.clone()));
    return fresh;
  }
  const cache = await caches.open(cacheName);
  return (await cache.match('/')) ?? fresh ?? Response.error();
}

/** Names of assets hold a hash of their content, so a kept one is never out of date. */
async function serveAsset(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}

/** Keeps the files that a page names, then the page itself, then lets go of files that it no longer names. */
async function keepPage(page: Response): Promise<void> {
  if (!page.ok) throw new Error(`the page answered ${page.status}`);
  const cache = await caches.open(cacheName);
  const assets = new Set((await page.clone().text()).match(/\/assets\/[\w.-]+/gu));
  const kept = (await cache.keys()).map((request) => new URL(request.url).pathname);
  await cache.addAll([...assets].filter((asset) => !kept.includes(asset)));
  await cache.put('/', page);
  await Promise.all(kept.filter((path) => path !== '/' && !assets.has(path)).map((path) => cache.delete(path)));
}
