/** Fetches the jars of the local engines ahead of their first start: `node deploy/native/fetch.ts`. Says what is missing, and is never an error. */

import { javaLibraries } from '#deploy/native/java-libraries.ts';

const libraries = await javaLibraries();
if (libraries.kind === 'missing') process.stdout.write(`no local Kafka: ${libraries.reason}\n`);
