import { defineConfig } from 'vite';

export default defineConfig({
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { page: 'services/pages/index.html', 'service-worker': 'services/pages/service-worker/service-worker.ts' },
      // A service worker governs the folder it is served from, and is looked for under one name for ever: at the top, without a hash.
      output: { entryFileNames: (chunk) => (chunk.name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js') },
    },
  },
});
