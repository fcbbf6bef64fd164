// Orders the spans of a trace as a tree, for the waterfall.

/** Return the spans as nodes in drawing order: {span, children, depth, parent}. */
export function spanTree(spans) {
  const nodes = new Map(
    spans.map((span) => [span.span_id, { span, children: [], depth: 0, parent: null }]),
  );
  const roots = [];
  for (const node of nodes.values()) {
    const parent = nodes.get(node.span.parent_span_id);
    if (parent && parent !== node && !isBelow(parent, node)) {
      node.parent = parent;
      parent.children.push(node);
    } else roots.push(node);
  }
  const ordered = [];
  const visit = (list, depth) => {
    for (const node of list.sort((left, right) => left.span.start_ns - right.span.start_ns)) {
      node.depth = depth;
      ordered.push(node);
      visit(node.children, depth + 1);
    }
  };
  visit(roots, 0);
  return ordered;
}

/** Return whether a node is below another; invalid ids may form a circle, cut at a root. */
function isBelow(node, ancestor) {
  for (let at = node; at; at = at.parent) if (at === ancestor) return true;
  return false;
}
