// Types for the scripts in `static/`, for `make types` only: no browser loads them. The handlers of `signer/` make the hub's
// answers; a change of an answer there needs a change here.

type Bytes = Uint8Array<ArrayBuffer>;

/** A dictionary is a Map, an array an Array; names begin with "/", strings with "(". */
type PdfValue =
  | null | boolean | number | string | PdfValue[] | PdfDictionary
  | import('../static/signer/pdf_objects.js').Real | import('../static/signer/pdf_objects.js').Reference;
type PdfDictionary = Map<string, PdfValue>;
interface PdfObject { value: PdfValue; stream: string | null }
interface WrittenObject extends PdfObject { number: number; start: number; end: number }
type PdfObjects = Map<number, WrittenObject>;
/** `table`: the offset of its cross-reference table. */
interface Revision { start: number; end: number; table: number; objects: PdfObjects; trailer: PdfDictionary }

// ---- the signing protocol

/** A problem+json. `until`: when the same request may succeed; `detail` says this in words. */
interface ProblemSaid {
  code?: string; title?: string; detail?: string; until?: string; field?: string; request_id?: string;
}

interface ListedContract { id: string; title: string; state: string; task: string }
interface Opened { school: string; campus: string | null }
interface Verified { contracts: ListedContract[] }
/** `name` and `phone`: of a poster's visitor, once the phone is verified. */
interface Session extends Opened, Verified { verified: boolean; key_challenge: string; name?: string; phone?: string }
interface KnownPasskeys { rp_id: string; user: string; challenge: string; credentials: string[]; public_keys: string[] }
interface ShownCertificate {
  name: string; issuer: string; issuer_organisation: string; not_after: string; sha256: string; custody: string | null;
}
interface Pairing { state: string; task: string; contract: string; certificate: ShownCertificate | null }
interface PreparedRequest { request: string; to_be_signed: string; byte_range: number[]; prepared: string; update?: string }

interface Gets {
  contract: { state: string; task: string };
  passkeys: KnownPasskeys;
  pairing: Pairing;
  session: Session;
}

interface Posts {
  enrol: Verified;
  key: { certificate_chain: [string, ...string[]] };
  link: { url: string; qr_png: string; app_address: string };
  open: Opened;
  [localised: `open?lang=${string}`]: Opened;
  pair: { code: string; expires_at: string };
  passkeys: { credential: string; public_key: string };
  prepare: PreparedRequest;
  signature: { state: string };
  verify: { contracts: [ListedContract, ...ListedContract[]] };
}

/** `id` names the contract. With a body, the call is a POST. */
interface CallOptions { body?: object | undefined; id?: string | undefined }
type Call = (path: string, options?: CallOptions) => Promise<Bytes>;
type Json = <P extends keyof Gets | keyof Posts, O extends CallOptions = CallOptions>(path: P, options?: O) =>
  Promise<O extends { body: object } ? Posts[P & keyof Posts] : Gets[P & keyof Gets]>;

// ---- the page

type Work<Given extends unknown[] = []> = (...given: Given) => unknown;
type Acts = Record<string, Work<[HTMLElement]>>;
interface Trouble { wait?: number; title?: string; detail?: string; acts?: Acts | undefined }
/** Resolves to whether a code is on its way. */
type SendCode = (wish?: { channel?: string }) => Promise<boolean>;
