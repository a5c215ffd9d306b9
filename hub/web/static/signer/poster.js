// Coming in by a poster: phone, code, course, student, guardian. Each panel asks for one thing, and what was entered stays
// on this page.

import {
  Problem, all, call, codeOf, hideTrouble, inThisLanguage, json, need, needKind, onAct, onSubmit, refuse, report, showTrouble,
  ticketHere, word,
} from './session.js';
import { warnWhereNoKeyWorks } from './able.js';
import './answer.js';
import { bindCodes, compact, noteCode } from './identity.js';

const body = document.body;
/** @type {Record<string, string>} */
const ENDS = {
  'already-enrolled': 'already', 'one-enrolment-each': 'each', 'not-on-list': 'list', 'poster-full': 'full',
  'link-not-valid': 'gone', 'guardian-required': 'minor',
};
/** @type {Record<string, string>} */
const FIELDS = {
  name: 'name', phone: 'phone', course: 'course', 'student.name': 'student_name', 'student.id_number': 'student_number',
  'student.birth_date': 'birth_date', 'signers[0].id_number': 'own_number', 'signers[0].name': 'name',
  'signers[0].phone': 'phone',
};
const SAYS_BIRTH = ['cn-id', 'foreign-permanent-id'];
const own = { name: '', phone: '' }; // as entered, or as the hub knows them
let opened = 'opened' in body.dataset;
let verified = 'verified' in body.dataset;

/** @typedef {[name: string, fits: unknown]} Check */
/** @typedef {'student' | 'own'} Whose whose document it is */

/** @param {string} name */
const form = (name) => needKind(HTMLFormElement, `[data-form="${name}"]`);

/** @param {string} name */
const value = (name) => (fieldOf(name)?.value || '').trim();

/** Return the chosen value, or the only one. @param {string} formName @param {string} name */
const chosen = (formName, name) => String(new FormData(form(formName)).get(name) ?? '');

/** Return a field by its id, or the first of several to choose from. A poster's only course is no field. @param {string} name */
function fieldOf(name) {
  const field = document.getElementById(name) ?? form('course').querySelector(`[type="radio"][name="${name}"]`);
  return field instanceof HTMLInputElement || field instanceof HTMLSelectElement ? field : null;
}

// ---- from panel to panel; the browser's own "back" goes the same way

/** @param {string} panel */
function draw(panel) {
  for (const section of all('[data-panel]')) section.hidden = section.dataset.panel !== panel;
  need('[data-own-name]').textContent = own.name;
  need('[data-own-phone]').textContent = own.phone;
  need('[data-phone]').textContent = own.phone;
  need(`[data-panel="${panel}"] h1`).focus();
}

/** @param {string} panel */
function show(panel) {
  if (history.state?.panel !== panel) history.pushState({ panel }, '');
  draw(panel);
}

/**
 * Return the panel that may be shown. People who have verified their phone need not do so again; others cannot skip it.
 * @param {string} panel
 */
function reachable(panel) {
  if (['who', 'code'].includes(panel) && verified) return 'course';
  if (['course', 'student', 'guardian'].includes(panel) && !verified) return opened ? 'code' : 'start';
  return panel;
}

history.replaceState({ panel: body.dataset.begin }, '');
window.addEventListener('popstate', (event) => {
  hideTrouble();
  draw(reachable(event.state?.panel || 'start'));
});

// ---- what is not right

/** @param {string} name @param {string} said */
function wrong(name, said) {
  const field = fieldOf(name);
  const section = field?.closest('section');
  if (!field || !section) throw new Error(`${name} is missing`);
  if (field.closest('[hidden]')) show(section.dataset.panel ?? '');
  refuse(field, said);
}

/** @param {Check[]} checks */
function missing(checks) {
  const faulty = checks.filter(([, fits]) => !fits);
  for (const [name] of faulty.reverse()) wrong(name, word(name)); // the first one gets the focus
  return faulty.length > 0;
}

/** @param {unknown} error @param {Work} retry */
function fail(error, retry) {
  if (error instanceof Problem) {
    const [end, field] = [ENDS[error.code], FIELDS[error.field]];
    if (end) return show(end);
    if (error.code === 'session-not-valid') {
      opened = verified = false;
      show('who');
      return showTrouble('visit-over');
    }
    if (error.code === 'wrong-answer') return showTrouble('wrong-code');
    if (error.code === 'country-not-allowed') return wrong('phone', word('country'));
    if (error.code === 'bad-input' && field && fieldOf(field)) {
      // The name or the number does not match what was verified, so everything begins again with these two.
      if (['name', 'phone'].includes(field)) opened = verified = false;
      return wrong(field, word(field));
    }
  }
  return report(error, { retry });
}

/** GB 11643: the last character is a check digit (ISO 7064 MOD 11-2). @param {string} number */
function fitsCard(number) {
  if (!/^\d{17}[\dX]$/.test(number)) return false;
  const sum = [...number].reduce((total, digit, place) => total + (digit === 'X' ? 10 : Number(digit)) * 2 ** (17 - place), 0);
  return sum % 11 === 1;
}

/** @param {Whose} whose */
const numberOf = (whose) => compact(value(`${whose}_number`)).replaceAll('-', '').toUpperCase();
/** @param {Whose} whose */
const fitsDocument = (whose) => (value(`${whose}_type`) === 'cn-id' ? fitsCard(numberOf(whose)) : numberOf(whose).length >= 5);

function minor() {
  const born = SAYS_BIRTH.includes(value('student_type')) ? numberOf('student').slice(6, 14) : value('birth_date').replaceAll('-', '');
  const today = new Date();
  const grown = `${today.getFullYear() - 18}${String(today.getMonth() + 1).padStart(2, '0')}${String(today.getDate()).padStart(2, '0')}`;
  return /^\d{8}$/.test(born) && born > grown;
}

// ---- phone and code

/** Send a code. `wish`: how the person wants to get it. @type {SendCode} */
async function sendCode(wish = {}) {
  hideTrouble();
  try {
    if (!opened) {
      await json(inThisLanguage(), { body: { poster: ticketHere(), phone: own.phone, name: own.name } });
      opened = true;
    }
    await call('code', { body: wish });
    noteCode(true);
    show('code');
    return true;
  } catch (error) {
    if (codeOf(error) === 'too-soon') {
      noteCode(false);
      show('code');
    }
    fail(error, () => sendCode(wish));
  }
  return false;
}

async function who() {
  if (missing([['name', value('name')], ['phone', value('phone').length > 5]])) return undefined;
  if (own.name !== value('name') || own.phone !== value('phone')) opened = false;
  Object.assign(own, { name: value('name'), phone: value('phone') });
  return sendCode();
}

async function enterCode() {
  hideTrouble();
  const code = compact(value('code'));
  if (missing([['code', /^\d{6}$/.test(code)]])) return;
  try {
    await json('verify', { body: { code } });
    verified = true;
    await recall();
    show('course');
  } catch (error) {
    fail(error, enterCode);
  }
}

/** Fetch the visitor's name and phone, which the page has lost after a reload. */
async function recall() {
  const { name, phone } = await json('session');
  Object.assign(own, { name, phone });
}

// ---- course, student, guardian

async function pickCourse() {
  hideTrouble();
  if (!missing([['course', chosen('course', 'course')]])) show('student');
}

const forMyself = () => chosen('student', 'who') === 'myself';

async function student() {
  hideTrouble();
  const birth = SAYS_BIRTH.includes(value('student_type')) || value('birth_date');
  if (missing([['student_name', forMyself() || value('student_name')], ['student_number', fitsDocument('student')], ['birth_date', birth]])) return undefined;
  if (!forMyself()) return show('guardian');
  return minor() ? show('minor') : enrol();
}

async function guardian() {
  hideTrouble();
  const another = fitsDocument('own') && numberOf('own') !== numberOf('student');
  if (missing([['relation', value('relation')], ['own_number', another]])) return undefined;
  return enrol();
}

function asked() {
  /** @type {Whose} */
  const whose = forMyself() ? 'student' : 'own';
  const born = SAYS_BIRTH.includes(value('student_type')) ? {} : { birth_date: value('birth_date') };
  const language = document.documentElement.lang.startsWith('zh') ? 'zh' : 'en';
  return {
    course: chosen('course', 'course'),
    student: {
      name: forMyself() ? own.name : value('student_name'), id_type: value('student_type'), id_number: numberOf('student'), ...born,
    },
    signers: [{
      role: forMyself() ? 'student' : 'guardian', name: own.name, phone: own.phone, language,
      id_type: value(`${whose}_type`), id_number: numberOf(whose), ...(forMyself() ? {} : { relation: value('relation') }),
    }],
  };
}

async function enrol() {
  const from = forMyself() ? 'student' : 'guardian';
  draw('working');
  try {
    if (!own.name) await recall();
    const { contracts } = await json('enrol', { body: asked() });
    const [first] = contracts;
    return first ? location.assign(`/sign/contract?id=${first.id}`) : show('asked');
  } catch (error) {
    draw(from);
    return fail(error, enrol);
  }
}

function adapt() {
  for (const part of all('[data-only="child"]')) part.hidden = forMyself();
  need('[data-birth]').hidden = SAYS_BIRTH.includes(value('student_type'));
}

// ---- bindings

for (const [name, work] of Object.entries({ who, code: enterCode, course: pickCourse, student, guardian })) onSubmit(form(name), work);
onAct('to', (button) => {
  hideTrouble();
  if (button.closest('[data-panel="asked"]')) form('student').reset();
  adapt();
  show(reachable(button.dataset.to ?? 'start'));
});
onAct('anew', () => {
  opened = verified = false;
  hideTrouble();
  show('who');
});
bindCodes(sendCode);
const begin = needKind(HTMLButtonElement, '[data-panel="start"] .primary');
begin.disabled = false; // an earlier tap would have been lost
if (!opened) warnWhereNoKeyWorks(begin);
form('student').addEventListener('change', adapt);
adapt();
if (verified) recall().catch(() => {});
if (location.origin !== body.dataset.origin) {
  // A key is bound to one origin, so continue at that origin.
  location.replace(body.dataset.origin + location.pathname + location.search);
}
