import type { ReactNode } from "react";

/*
 * The fifteen things that the shop sells, on a square of 120 by 120. Four classes give them their colour: `face` and
 * `shade` of the material, `trim` for what is not made of it, and `glow` for light.
 */

const kettle = (
  <>
    <path className="line trim" d="M38 56c0-34 44-34 44 0" />
    <path className="shade" d="M82 66l21-15 7 6-22 32z" />
    <path className="face" d="M27 94c-3-30 8-42 33-42s36 12 33 42z" />
    <path className="shade" d="M93 94c1-12 0-22-4-29-3 14-20 22-62 22v7z" />
    <path className="shade" d="M44 54a16 5 0 0 1 32 0z" />
    <circle className="trim" cx="60" cy="46" r="5" />
  </>
);

const lantern = (
  <>
    <path className="line trim thin" d="M42 38c0-32 36-32 36 0" />
    <path className="shade" d="M50 26h20l10 14H40z" />
    <path className="glow" d="M44 40h32v40H44z" />
    <path className="flame" d="M60 48c9 11 8 22 0 24-8-2-9-13 0-24z" />
    <path className="line shade-line" d="M44 40v40M76 40v40M60 40v6M60 74v6" />
    <path className="face" d="M38 80h44l4 16H34z" />
    <path className="face" d="M40 37h40v6H40z" />
  </>
);

const notebook = (
  <g transform="rotate(-7 60 60)">
    <rect className="paper" x="34" y="24" width="58" height="74" rx="3" />
    <rect className="face" x="30" y="20" width="58" height="76" rx="4" />
    <path className="shade" d="M34 20h8v76h-8a4 4 0 0 1-4-4V24a4 4 0 0 1 4-4z" />
    <rect className="paper" x="51" y="34" width="27" height="16" rx="1.5" />
    <path className="line trim thin" d="M55 40h19M55 45h12" />
    <path className="line trim" d="M82 20v76" />
  </g>
);

const hammer = (
  <g transform="rotate(38 60 60)">
    <rect className="trim" x="55" y="36" width="10" height="68" rx="5" />
    <path className="shade" d="M55 70h10v28a5 5 0 0 1-10 0z" opacity=".5" />
    <path className="face" d="M34 18h38c9 0 14 4 19 12-8-3-12-2-19 6H34z" />
    <rect className="shade" x="28" y="15" width="14" height="24" rx="3" />
  </g>
);

const planter = (
  <>
    <path className="leaf" d="M59 62C56 36 44 28 28 26c2 20 12 32 31 36z" />
    <path className="leaf" d="M61 62c2-30 14-40 32-44 0 24-10 38-32 44z" />
    <path className="leaf dark" d="M60 64c-8-24-6-38 2-50 9 14 9 30-2 50z" />
    <path className="face" d="M32 60h56l-7 38H39z" />
    <path className="shade" d="M28 56h64v10H28z" />
  </>
);

const mug = (
  <>
    <path className="line steam" d="M46 32c-5-6 5-9 0-16M60 32c-5-6 5-9 0-16" />
    <path className="line shade-line wide" d="M78 52c24-4 24 30-2 30" />
    <path className="face" d="M26 42h54v42c0 8-6 13-13 13H39c-7 0-13-5-13-13z" />
    <path className="shade" d="M26 42h54v8H26z" />
  </>
);

const stool = (
  <>
    <path className="line shade-line wide" d="M40 46l-9 52M80 46l9 52" />
    <path className="line trim" d="M35 76h50" />
    <path className="line face-line wide" d="M60 46v52" />
    <path className="face" d="M24 36h72v7c0 5-16 8-36 8s-36-3-36-8z" />
    <ellipse className="shade" cx="60" cy="36" rx="36" ry="8" />
    <ellipse className="face" cx="60" cy="34" rx="36" ry="8" />
  </>
);

const backpack = (
  <>
    <path className="line trim" d="M48 28c0-16 24-16 24 0" />
    <path className="shade" d="M22 66h12v26H26c-3 0-5-2-5-5zM98 66H86v26h8c3 0 5-2 5-5z" />
    <path className="face" d="M30 52c0-18 11-28 30-28s30 10 30 28v40c0 4-3 6-6 6H36c-3 0-6-2-6-6z" />
    <path className="shade" d="M30 52c10 8 50 8 60 0v8c-12 8-48 8-60 0z" />
    <rect className="shade" x="40" y="70" width="40" height="21" rx="4" />
    <path className="line trim" d="M46 77h28" />
    <path className="trim" d="M56 56h8v10h-8z" />
  </>
);

const knife = (
  <g transform="rotate(42 60 60)">
    <path className="blade" d="M53 10c10 12 15 26 14 56H53z" />
    <path className="blade dark" d="M53 10v56h5z" />
    <path className="trim" d="M51 65h18v6H51z" />
    <path className="face" d="M52 71h15l3 34c0 5-4 8-10 8s-9-3-9-8z" />
    <circle className="shade" cx="60" cy="82" r="2.5" />
    <circle className="shade" cx="60" cy="96" r="2.5" />
  </g>
);

const blanket = (
  <>
    <rect className="shade" x="20" y="76" width="80" height="20" rx="10" />
    <rect className="face" x="23" y="58" width="76" height="21" rx="10.5" />
    <rect className="shade" x="20" y="40" width="80" height="20" rx="10" />
    <path className="face" d="M32 38h58c8 0 10 6 10 12v34H82V54H30c-12 0-12-16 2-16z" />
    <path className="line trim" d="M82 64h18M82 71h18" />
    <path className="line face-line" d="M84 84v10M91 84v10M98 84v10" />
  </>
);

const lamp = (
  <>
    <path className="glow" d="M34 54l-18 42h74L72 54z" opacity=".45" />
    <path className="line trim" d="M84 94V40L58 26" />
    <path className="face" d="M46 20l26 14-4 22-44-6z" />
    <path className="shade" d="M24 50l44 6-3 4-40-6z" />
    <circle className="trim" cx="84" cy="40" r="4.5" />
    <path className="shade" d="M66 92h36c0-7-36-7-36 0z" />
    <rect className="face" x="62" y="91" width="44" height="7" rx="3.5" />
  </>
);

const tray = (
  <>
    <path className="line shade-line wide" d="M16 66c-10-16 8-22 14-14M104 66c10-16-8-22-14-14" />
    <ellipse className="shade" cx="60" cy="72" rx="48" ry="22" />
    <ellipse className="face" cx="60" cy="67" rx="48" ry="22" />
    <ellipse className="shade" cx="60" cy="68" rx="38" ry="15.5" />
    <path className="trim" d="M46 46h20v17c0 7-20 7-20 0z" />
    <ellipse className="paper" cx="56" cy="46" rx="10" ry="3.5" />
    <circle className="leaf" cx="78" cy="66" r="7" />
  </>
);

const bottle = (
  <>
    <rect className="trim" x="51" y="14" width="18" height="12" rx="3" />
    <path className="face" d="M53 26h14v10c0 6 13 9 13 22v34c0 4-3 6-6 6H46c-3 0-6-2-6-6V58c0-13 13-16 13-22z" />
    <path className="shade" d="M72 46c5 3 8 7 8 12v34c0 4-3 6-6 6h-9c4 0 7-2 7-6z" />
    <rect className="paper" x="40" y="64" width="32" height="18" />
    <path className="line trim thin" d="M46 70h18M46 76h11" />
  </>
);

const brush = (
  <g transform="rotate(-38 60 60)">
    <path className="line bristle" d="M30 68v18M37 68v20M44 68v21M51 68v22M58 68v22M65 68v22M72 68v21M79 68v20M86 68v18" />
    <path className="face" d="M24 60c0-8 6-12 16-12h76c6 0 6 10 0 10l-24 2v10H30c-4 0-6-4-6-10z" />
    <path className="shade" d="M24 62h68v8H30c-4 0-6-3-6-8z" />
    <circle className="trim" cx="110" cy="53" r="2.5" />
  </g>
);

const basket = (
  <>
    <path className="line shade-line wide" d="M32 54c0-46 56-46 56 0" />
    <path className="face" d="M20 54h80l-9 44H29z" />
    <path className="line shade-line weave" d="M25 68h70M27 82h66M38 58l4 38M52 58l2 38M68 58l-2 38M82 58l-4 38" />
    <rect className="shade" x="17" y="50" width="86" height="10" rx="5" />
  </>
);

export const THINGS: Record<string, ReactNode> = {
  Kettle: kettle,
  Lantern: lantern,
  Notebook: notebook,
  Hammer: hammer,
  Planter: planter,
  Mug: mug,
  Stool: stool,
  Backpack: backpack,
  Knife: knife,
  Blanket: blanket,
  Lamp: lamp,
  Tray: tray,
  Bottle: bottle,
  Brush: brush,
  Basket: basket,
};
