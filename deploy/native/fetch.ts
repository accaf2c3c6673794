/**
 * Makes the first start of the local engines a short one: fetches their jars and writes their class archives, `node deploy/native/fetch.ts`. Says what is
 * missing, and is never an error.
 */

import { archiveClasses } from '#deploy/native/archive-classes.ts';
import { javaLibraries } from '#deploy/native/java-libraries.ts';

const libraries = await javaLibraries();
if (libraries.kind === 'missing') process.stdout.write(`no local Kafka: ${libraries.reason}\n`);
else
  for (const failure of await archiveClasses(libraries))
    process.stdout.write(`starts take longer than they could, there is no class archive for ${failure}\n`);
