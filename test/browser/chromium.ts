/**
 * The system's Chromium, driven by playwright-core. None is downloaded: where there is none, the tests that want one say so and are left out.
 */

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';

/** The first has no windows, and takes two thirds of the processor's time that a whole browser does. */
const names = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  'chrome',
  'microsoft-edge',
];
/** Pages of the browser's own, in processes of their own, which it keeps at hand for each window: two thirds of the processor's time that a page takes here. */
const ownPages = ['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup'];
/** What Playwright turns off: of two such flags Chromium takes the last. */
const turnedOffByPlaywright = [
  'AimEnabled',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsFirstBalancedModeAutoEnable',
  'HttpsUpgrades',
  'LensOverlay',
  'MediaRouter',
  'NetworkTimeServiceQuerying',
  'OptimizationHints',
  'PaintHolding',
  'PreconnectToSearch',
  'TcpPortRandomizationWin',
  'ThirdPartyStoragePartitioning',
];
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  `--disable-features=${[...ownPages, ...turnedOffByPlaywright].join()}`,
];

/** The first browser of a usual name on the PATH. */
const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => names.map((name) => join(folder, name)))
  .find(isExecutable);

/** Why browser tests are left out here, or undefined where they can run. */
export const withoutChromium = executablePath === undefined ? `no Chromium on the PATH (${names.join(', ')})` : undefined;

/** @throws Error where there is none: look at `withoutChromium` first. */
export function launchChromium(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(withoutChromium);
  return chromium.launch({ executablePath, args: flags });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
