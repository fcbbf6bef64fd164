// Orders the spans of a trace as a tree, for the waterfall.

/** Return the spans as nodes in drawing order: {span, children, depth, parent}. */
export function spanTree(spans) {
  const nodes = spans.map((span) => ({ span, children: [], depth: 0, parent: null }));
  const byId = new Map();
  for (const node of nodes) {
    const id = node.span.span_id;
    byId.set(id, [...(byId.get(id) ?? []), node]);
  }
  const roots = [];
  for (const node of nodes) {
    const parent = parentOf(node, byId);
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

/** Return the parent; both sides of a call may share an id, as Zipkin's do. */
function parentOf({ span }, byId) {
  if (["server", "consumer"].includes(span.kind)) {
    const callers = byId.get(span.span_id).filter((one) => isCaller(one.span));
    if (callers.length) return callers[0];
  }
  const found = byId.get(span.parent_span_id) ?? [];
  return found.find((one) => one.span.service === span.service) ?? found[0];
}

function isCaller(span) {
  return ["client", "producer"].includes(span.kind);
}

/** Return whether a node is below another; invalid ids may form a circle, cut at a root. */
function isBelow(node, ancestor) {
  for (let at = node; at; at = at.parent) if (at === ancestor) return true;
  return false;
}
