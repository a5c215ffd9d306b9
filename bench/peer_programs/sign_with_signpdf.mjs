// Signs one PDF with @signpdf as often as it is told: for each line of its input, TIMES times.
//
// Arguments: the PDF, and key and certificate as PKCS #12. Answers with the CPU seconds that one signature used; for a
// line that names a file, it writes the signed PDF there. @signpdf is installed in the folder in which this is started.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { argv, cpuUsage, cwd, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';

const installed = createRequire(`${cwd()}/package.json`);
const { plainAddPlaceholder } = installed('@signpdf/placeholder-plain');
const { P12Signer } = installed('@signpdf/signer-p12');
const { SignPdf } = installed('@signpdf/signpdf');

const TIMES = 5;
const [pdf, identity] = argv.slice(2, 4).map((name) => readFileSync(name));
const about = { reason: '', contactInfo: '', name: '', location: '', subFilter: 'ETSI.CAdES.detached' };

function signed() {
  const prepared = plainAddPlaceholder({ pdfBuffer: pdf, ...about });
  return new SignPdf().sign(prepared, new P12Signer(identity, { passphrase: '1234' }));
}

for await (const line of createInterface({ input: stdin })) {
  const before = cpuUsage();
  let result = pdf;
  for (let each = 0; each < TIMES; each += 1) result = await signed();
  const used = cpuUsage(before);
  if (line) writeFileSync(line, result);
  stdout.write(`${(used.user + used.system) / 1e6 / TIMES}\n`);
}
