/**
 * The page: reads which document its address asks for, and puts the parts together around it.
 */

import './style.css';
import { offerLink, offerNewDocument } from './document-actions.ts';
import { nameFromSearch, pageAddress } from './document-name.ts';
import { mountEditor } from './editor.ts';
import { element } from './elements.ts';
import { showPeople } from './people-bar.ts';
import { openSession } from './session.ts';
import { statusLine } from './status-line.ts';

function openDocument(name: string): void {
  document.title = `${name} · Inkstream`;
  const heading = element('document-name', HTMLHeadingElement);
  heading.textContent = name;
  heading.title = name;
  history.replaceState(null, '', pageAddress(name));
  offerLink(name);
  const { text, awareness } = openSession(name, statusLine());
  showPeople(awareness);
  element('presence', HTMLElement).hidden = false;
  mountEditor(element('editor', HTMLElement), text, awareness).focus();
}

/** Says why there is no document here. The way on is the button for a new one. */
function refuseDocument(refusal: string): void {
  element('status', HTMLParagraphElement).hidden = true;
  element('document-name', HTMLHeadingElement).textContent = 'This document can’t be opened';
  const notice = element('notice', HTMLParagraphElement);
  notice.textContent = refusal;
  notice.hidden = false;
}

const asked = nameFromSearch(location.search);
if ('name' in asked) openDocument(asked.name);
else refuseDocument(asked.refusal);
offerNewDocument();

if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  navigator.serviceWorker
    .register('/service-worker.js')
    .catch((error: unknown) => console.warn('This page will not open offline:', error));
}
