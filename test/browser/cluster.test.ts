/**
 * The page on a local cluster, as `make up` starts it: one person at each gateway, one behind the load balancer, a program that edits the document in MongoDB, and a gateway that is killed.
 */

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { ClusterReady } from '#deploy/cluster-record.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';
import { databaseAtHand } from '#deploy/native/mongodb.ts';
import { balancerAtHand } from '#deploy/native/parts.ts';
import { type LocalCluster, localCluster } from '#test/harness/local-cluster.ts';
import { readMetric } from '#test/harness/metrics.ts';
import { type MirrorProgram, openMirrorProgram } from '#test/harness/mirror-program.ts';
import { arrivalOf, machineMs, quantile, recordArrivals } from './arrivals.ts';
import { launchChromium, withoutChromium } from './chromium.ts';
import { buildPages } from './site.ts';
import { newDocument, openWriter, patient, type Writer } from './writer.ts';

/** A broker, a database and four processes of ours, on a busy machine. */
const startMsMax = 180_000;
const offline = 'Offline: kept in this browser';

type Site = { readonly cluster: LocalCluster; readonly browser: Browser };
let site: Site | undefined;
let ready: ClusterReady | undefined;

async function missingHere(): Promise<string | undefined> {
  if (withoutChromium !== undefined) return withoutChromium;
  const libraries = await javaLibraries();
  if (libraries.kind === 'missing') return libraries.reason;
  const database = await databaseAtHand();
  return typeof database === 'object' ? database.missing : undefined;
}

beforeAll(async () => {
  if ((await missingHere()) !== undefined) return;
  await buildPages();
  site = { cluster: await localCluster(), browser: await launchChromium() };
  ready = await site.cluster.up();
}, startMsMax);

beforeEach(async ({ skip }) => {
  const missing = await missingHere();
  if (missing !== undefined) skip(missing);
});

afterAll(async () => {
  await site?.browser.close();
  await site?.cluster.remove();
});

/** What is up now. */
function present(): Site & { readonly ready: ClusterReady; readonly gateways: readonly [string, string] } {
  const [one, two] = ready?.urls ?? [];
  if (site === undefined || ready === undefined || one === undefined || two === undefined) throw new Error('no cluster is up');
  return { ...site, ready, gateways: [one, two] };
}

const open = (url: string, path: string, name: string): Promise<Writer> => openWriter(present().browser, url, path, { name });

/** The address of the load balancer; the test is left out where there is none. */
async function balancerOr(skip: (reason: string) => never): Promise<string> {
  const balancer = await balancerAtHand();
  if (balancer !== 'here') return skip(balancer.missing);
  return present().ready.loadBalancer ?? '';
}

const allSeeText = (people: readonly Writer[], text: string): Promise<unknown> =>
  Promise.all(people.map((person) => person.seesText(text)));
const allSeeStatus = (people: readonly Writer[], status: string): Promise<unknown> =>
  Promise.all(people.map((person) => person.seesStatus(status)));

async function seesOthers(person: Writer, names: readonly string[]): Promise<void> {
  await expect.poll(async () => (await person.others()).toSorted(), patient).toEqual(names);
}

/** From the end of the text back to where its line begins. */
async function selectLine(person: Writer): Promise<void> {
  await person.type('');
  await person.page.keyboard.press('Shift+Home');
}

const sessions = (gateways: readonly string[]): Promise<readonly number[]> =>
  Promise.all(gateways.map((url) => readMetric(url, 'inkstream_sessions')));

/** Types a letter, over and over, until told to stop, as fast as it goes or with a delay between two. Resolves with how many there were. */
function typeOn({ page }: Writer, letter: string, delay = 0): () => Promise<number> {
  let isOver = false;
  const typing = (async () => {
    let typed = 0;
    for (; !isOver; typed++) await page.keyboard.type(letter, { delay });
    return typed;
  })();
  return () => {
    isOver = true;
    return typing;
  };
}

const lettersOf = async (person: Writer, letter: string): Promise<number> => (await person.text()).split(letter).length - 1;

test('CL60, CL61: two pages on two gateways have one text, saved, and each the name, cursor and selection of the other', async () => {
  const path = newDocument('two gateways');
  const [one, two] = present().gateways;
  const [ada, ben] = await Promise.all([open(one, path, 'Ada'), open(two, path, 'Ben')]);
  await Promise.all([seesOthers(ada, ['Ben']), seesOthers(ben, ['Ada'])]);
  await Promise.all([ada.type('a'.repeat(25)), ben.type('b'.repeat(25))]);
  await allSeeStatus([ada, ben], 'Saved');
  await expect.poll(() => lettersOf(ada, 'b'), patient).toBe(25);
  const text = await ada.text();
  expect(text.split('').toSorted().join('')).toBe('a'.repeat(25) + 'b'.repeat(25));
  await ben.seesText(text);

  await ada.page.locator('.remote-caret[data-name="Ben"]').waitFor();
  await ben.page.locator('.remote-caret[data-name="Ada"]').waitFor();
  await selectLine(ada);
  await ben.page.locator('.remote-selection', { hasText: text }).waitFor();
  await selectLine(ben);
  await ada.page.locator('.remote-selection', { hasText: text }).waitFor();

  await ben.page.close();
  await seesOthers(ada, []);
  await ada.page.locator('.remote-caret').waitFor({ state: 'detached' });
  expect([...ada.complaints, ...ben.complaints]).toEqual([]);
});

test('CL60: who comes through the load balancer is one of them', async ({ skip }) => {
  const balancer = await balancerOr(skip);
  const path = newDocument('three ways in');
  const [one, two] = present().gateways;
  const people = await Promise.all([open(one, path, 'Ada'), open(two, path, 'Ben'), open(balancer, path, 'Cleo')]);
  let text = '';
  for (const person of people) {
    await person.type('more ');
    text += 'more ';
    await allSeeText(people, text);
  }
  await allSeeStatus(people, 'Saved');
  await Promise.all(
    [
      ['Ben', 'Cleo'],
      ['Ada', 'Cleo'],
      ['Ada', 'Ben'],
    ].map((names, index) => seesOthers(people[index] as Writer, names)),
  );
  expect(people.flatMap(({ complaints }) => complaints)).toEqual([]);
});

const nameIn = (path: string): string => new URL(path, 'http://page').searchParams.get('document') ?? '';

/** What a program does to the text of a document: puts a mark before it. Resolves with when it began to write. */
async function putMark({ mirrors, read }: MirrorProgram, document: string, mark: string): Promise<number> {
  for (;;) {
    const text = (await read(document))?.value.text ?? '';
    const beganMs = machineMs();
    const { matchedCount } = await mirrors.updateOne(
      { _id: document, 'value.text': text },
      { $set: { 'value.text': `${mark}${text}` } },
    );
    if (matchedCount > 0) return beganMs;
  }
}

/** Puts marks, one after the other. Resolves with how long each took to both pages, in ms. */
async function putMarks(
  program: MirrorProgram,
  document: string,
  marks: readonly string[],
  people: readonly Writer[],
): Promise<readonly number[]> {
  const tookMs: number[] = [];
  for (const mark of marks) {
    const beganMs = await putMark(program, document, mark);
    for (const { page } of people) tookMs.push((await arrivalOf(page, mark)) - beganMs);
  }
  return tookMs;
}

const edits = 50;
const marksOf = (letter: string): readonly string[] => Array.from({ length: edits }, (_, index) => `[${letter}${index}]`);

function sayTook(when: string, tookMs: readonly number[]): void {
  const [p50, p99] = [quantile(tookMs, 0.5), quantile(tookMs, 0.99)].map(Math.round);
  console.log(`from the write in the database to the page, ${when}, ms: p50 ${p50}, p99 ${p99}, of ${tookMs.length}`);
}

test(
  'CM16, CM17 and CM18: what a program writes into the document in MongoDB is on both pages soon, while somebody types too; nothing that was typed is lost, and undo takes back only that',
  { timeout: startMsMax },
  async () => {
    const { gateways, ready: up } = present();
    const program = await openMirrorProgram(up.mongodb);
    onTestFinished(() => program.close());
    const path = newDocument('edited outside');
    const document = nameIn(path);
    const people = await Promise.all([open(gateways[0], path, 'Ada'), open(gateways[1], path, 'Ben')]);
    const [ada, ben] = people;
    await ben.type('of Ben. ');
    await ada.seesText('of Ben. ');
    await expect.poll(async () => (await program.read(document))?.value.text, patient).toBe('of Ben. ');
    await Promise.all(people.map(({ page }) => recordArrivals(page)));

    const quiet = await putMarks(program, document, marksOf('q'), people);
    await ada.type('');
    const stopTyping = typeOn(ada, 'x', 80);
    const busy = await putMarks(program, document, marksOf('b'), people);
    const typed = await stopTyping();
    expect(typed).toBeGreaterThan(edits / 2);
    const marks = [...marksOf('q'), ...marksOf('b')].toReversed().join('');
    await allSeeText(people, `${marks}of Ben. ${'x'.repeat(typed)}`);
    await allSeeStatus(people, 'Saved');

    const undone = async (): Promise<string> => {
      await ada.page.keyboard.press('Control+z');
      return ada.text();
    };
    await expect.poll(undone, patient).toBe(`${marks}of Ben. `);
    await ada.page.keyboard.press('Control+z'); // there is nothing of hers any more
    await allSeeText(people, `${marks}of Ben. `);
    await expect.poll(async () => (await program.read(document))?.value.text, patient).toBe(`${marks}of Ben. `);
    expect(people.flatMap(({ complaints }) => complaints)).toEqual([]);
    sayTook('while nobody types', quiet);
    sayTook('while somebody types', busy);
    for (const tookMs of [quiet, busy]) expect(quantile(tookMs, 0.5)).toBeLessThan(1_000);
  },
);

/** Counts how often a page has been loaded since. */
function countLoads({ page }: Writer): () => number {
  let loads = 0;
  page.on('load', () => loads++);
  return () => loads;
}

/** What a page has said since it was offline last; nothing where it has not been. */
async function statusesSinceOffline(person: Writer): Promise<readonly string[]> {
  const statuses = await person.statuses();
  return statuses.includes(offline) ? statuses.slice(statuses.lastIndexOf(offline)) : [];
}

/** Cleo comes through the load balancer, Ada straight to the gateway that serves Cleo, Ben to the other one. */
async function openAround(balancer: string, path: string) {
  const { gateways } = present();
  await expect.poll(() => sessions(gateways), patient).toEqual([0, 0]);
  const cleo = await open(balancer, path, 'Cleo');
  await cleo.seesStatus('Saved');
  const first = (await sessions(gateways))[0] === 1;
  const [hers, other] = first ? gateways : gateways.toReversed();
  const [ada, ben] = await Promise.all([open(hers ?? '', path, 'Ada'), open(other ?? '', path, 'Ben')]);
  await Promise.all([seesOthers(ada, ['Ben', 'Cleo']), seesOthers(ben, ['Ada', 'Cleo']), seesOthers(cleo, ['Ada', 'Ben'])]);
  return { ada, ben, cleo, hers: first ? 'gateway-1' : 'gateway-2', other: other ?? '' } as const;
}

test(
  'CL62, CL63 and CL64: a gateway is killed while someone types: who came through the load balancer carries on, who did not waits, and nothing is lost',
  { timeout: startMsMax },
  async ({ skip }) => {
    const path = newDocument('carried on');
    const { ada, ben, cleo, hers, other } = await openAround(await balancerOr(skip), path);
    const [loadsOfAda, loadsOfCleo] = [countLoads(ada), countLoads(cleo)];
    await ben.type('of Ben. ');
    await cleo.seesText('of Ben. ');
    await cleo.type('');
    const stopTyping = typeOn(cleo, 'c');
    await expect.poll(() => lettersOf(ben, 'c'), patient).toBeGreaterThan(20);
    // His presence is new, so it is not renewed by itself while we look for him.
    await selectLine(ben);

    process.kill(present().ready.pids[hers] ?? 0, 'SIGKILL');
    await expect.poll(() => statusesSinceOffline(cleo), patient).toContain('Saving…');
    const typed = await stopTyping();
    await cleo.seesStatus('Saved');
    expect((await statusesSinceOffline(cleo)).slice(0, 3)).toEqual([offline, 'Connecting…', 'Saving…']);
    await expect.poll(cleo.others, { timeout: 8_000 }).toContain('Ben');
    await expect.poll(() => lettersOf(ben, 'c'), patient).toBe(typed);
    const text = await ben.text();
    const dora = await open(other, path, 'Dora');
    await allSeeText([cleo, dora], text);

    await ada.seesStatus(offline);
    await seesOthers(ada, []);
    await ada.type(' of Ada');
    expect(await ada.text()).toMatch(/^of Ben\. c+ of Ada$/u);
    ready = await present().cluster.up();
    await allSeeStatus([ada, ben, cleo, dora], 'Saved');
    await expect.poll(() => lettersOf(ada, 'c'), patient).toBe(typed);
    const whole = await ada.text();
    expect(whole.replaceAll('c', '')).toBe('of Ben.  of Ada');
    await allSeeText([ben, cleo, dora], whole);
    await Promise.all([seesOthers(ada, ['Ben', 'Cleo', 'Dora']), seesOthers(ben, ['Ada', 'Cleo', 'Dora'])]);
    expect([loadsOfAda(), loadsOfCleo()]).toEqual([0, 0]);
    const complaints = [ada, ben, cleo, dora].flatMap((person) => person.complaints);
    expect(complaints.filter((complaint) => !complaint.includes('WebSocket connection to'))).toEqual([]);
  },
);
