// Looks at a report as it is laid out, and returns what is wrong with it, one line for each fault.
(() => {
  const faults = [];
  const named = element => {
    const figure = element.closest('figure');
    const heading = figure && figure.querySelector('figcaption');
    const section = element.closest('section');
    const where = heading ? heading.textContent : section ? section.id : 'page';
    return `<${element.tagName.toLowerCase()}> in “${where.trim()}”`;
  };
  // What is folded up has no boxes.
  document.querySelectorAll('details').forEach(details => { details.open = true; });
  const width = document.documentElement.clientWidth;

  const boxed = element => {
    const { width, height } = element.getBoundingClientRect();
    return width > 0 || height > 0;
  };
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect();
    const marks = [...svg.querySelectorAll('g circle, g rect, g path, g line')].filter(boxed);
    if (marks.length === 0) faults.push(`no marks: ${named(svg)}`);
    for (const part of svg.querySelectorAll('circle, rect, path, line, text')) {
      const box = part.getBoundingClientRect();
      const [left, right] = [frame.left - box.left, box.right - frame.right];
      const [top, foot] = [frame.top - box.top, box.bottom - frame.bottom];
      if (Math.max(left, right, top, foot) > 1) {
        faults.push(`cut off: ${named(part)} ${part.textContent}`);
      }
    }
    if (!svg.closest('figure')) continue;
    if (!svg.getAttribute('aria-label')) faults.push(`not described: ${named(svg)}`);
    if (svg.querySelectorAll('text.label').length === 0) faults.push(`no axis label: ${named(svg)}`);
    if (!svg.closest('figure').querySelector('figcaption')) faults.push(`no title: ${named(svg)}`);
    const texts = [...svg.querySelectorAll('text')].map(text => [text, text.getBoundingClientRect()]);
    texts.forEach(([text, a], index) => {
      for (const [other, b] of texts.slice(index + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // Boxes hold the room of accents too, which may touch.
        if (across > 0.5 && down > 2) {
          faults.push(`overlap: “${text.textContent}” and “${other.textContent}” in ${named(svg)}`);
        }
      }
    });
  }
  for (const image of document.querySelectorAll('img')) {
    if (!image.complete || image.naturalWidth === 0) faults.push(`no picture: ${named(image)}`);
    if (!image.alt) faults.push(`not described: ${named(image)}`);
  }

  if (document.documentElement.scrollWidth > width) {
    faults.push(`page: ${document.documentElement.scrollWidth} px wide where ${width} are seen`);
  }
  for (const element of document.querySelectorAll('body *')) {
    const box = element.getBoundingClientRect();
    const scrolls = element.closest('.scroll');
    if (box.right > width + 0.5 && (!scrolls || scrolls === element)) {
      faults.push(`wider than the page: ${named(element)}`);
    }
  }

  const light = colour => {
    const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  // Contrast as WCAG 2.2 has it.
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/^rgba\(.*, 0\)$|^transparent$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const [text, element] = [walker.currentNode.textContent.trim(), walker.currentNode.parentElement];
    if (!text) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const size = parseFloat(style.fontSize) * (drawn ? element.getScreenCTM().a : 1);
    if (size < 9) faults.push(`small: “${text}” at ${size.toFixed(1)} px in ${named(element)}`);
    const seen = contrast(drawn ? style.fill : style.color, behind(element));
    if (seen < 4.5) faults.push(`faint: “${text}” at ${seen.toFixed(1)} : 1 in ${named(element)}`);
    // The error message of a failed run may contain NaN.
    if (/\b(NaN|undefined|-?inf)\b/.test(text) && !element.closest('.long')) faults.push(`no number: “${text}” in ${named(element)}`);
  }
  for (const mark of document.querySelectorAll('svg .mark, svg .cross, svg path.line')) {
    const { fill, stroke } = getComputedStyle(mark);
    const seen = contrast(mark.matches('.mark') ? fill : stroke, behind(mark));
    if (seen < 3) faults.push(`faint: ${named(mark)} at ${seen.toFixed(1)} : 1`);
  }
  return [...new Set(faults)];
})()
