// Style elements made by scripts of the page carry the nonce of the page: Dash, dcc and Plotly make them without.
// Loaded first, from the document itself, never as an ordinary asset.
{
  const { nonce } = document.currentScript, create = document.createElement;
  document.createElement = function createWithNonce(name, options) {
    const element = create.call(this, name, options);
    if (/^style$/i.test(name)) element.nonce = nonce;
    return element;
  };
}
