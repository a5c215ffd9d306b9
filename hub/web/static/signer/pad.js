// Draw one's name: strokes of points from 0 to 1, y downwards, on a pad that is three times as wide as high.

const MAX_POINTS = 3000;
const MAX_STROKES = 100;
const NEAR = 0.004; // closer points add nothing

/** @typedef {[number, number]} Point */
/** @typedef {[Point, ...Point[]]} Stroke */

/** @param {HTMLCanvasElement} canvas @param {Work<[boolean]>} onChange */
export function pad(canvas, onChange) {
  const pen = penOf(canvas);
  /** @type {Stroke[]} */
  const strokes = [];
  /** @type {number | null} */
  let drawing = null;

  /** @param {MouseEvent} event @returns {Point} */
  function place(event) {
    const box = canvas.getBoundingClientRect();
    /** @param {number} value */
    const within = (value) => Math.min(1, Math.max(0, Math.round(value * 10000) / 10000));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }

  /** @param {Point} from @param {Point} to */
  function line(from, to) {
    pen.strokeStyle = '#16325c';
    [pen.lineWidth, pen.lineCap, pen.lineJoin] = [canvas.width / 130, 'round', 'round'];
    pen.beginPath();
    pen.moveTo(from[0] * canvas.width, from[1] * canvas.height);
    pen.lineTo(to[0] * canvas.width, to[1] * canvas.height);
    pen.stroke();
  }

  const points = () => strokes.reduce((sum, stroke) => sum + stroke.length, 0);

  /** @param {PointerEvent} event */
  function begin(event) {
    if (drawing !== null || strokes.length >= MAX_STROKES || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    drawing = event.pointerId;
    const point = place(event);
    strokes.push([point]);
    line(point, point);
    onChange(true);
    event.preventDefault();
  }

  /** @param {PointerEvent} event */
  function go(event) {
    if (event.pointerId !== drawing || points() >= MAX_POINTS) return;
    const stroke = strokes.at(-1);
    if (!stroke) return;
    for (const each of event.getCoalescedEvents?.() || [event]) {
      const point = place(each);
      const last = stroke.at(-1) ?? stroke[0];
      if (Math.hypot(point[0] - last[0], (point[1] - last[1]) / 3) < NEAR) continue;
      line(last, point);
      stroke.push(point);
    }
  }

  /** @param {PointerEvent} event */
  function end(event) {
    if (event.pointerId === drawing) drawing = null;
  }

  canvas.addEventListener('pointerdown', begin);
  canvas.addEventListener('pointermove', go);
  canvas.addEventListener('pointerup', end);
  canvas.addEventListener('pointercancel', end);
  canvas.addEventListener('lostpointercapture', end);

  return {
    strokes: () => strokes.map((stroke) => (stroke.length > 1 ? stroke : [stroke[0], stroke[0]])),
    clear() {
      strokes.length = 0;
      pen.clearRect(0, 0, canvas.width, canvas.height);
      onChange(false);
    },
  };
}

/** @param {HTMLCanvasElement} canvas */
function penOf(canvas) {
  const pen = canvas.getContext('2d');
  if (!pen) throw new Error('nothing can be drawn here');
  return pen;
}
