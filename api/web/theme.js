// Loaded before the page is drawn, so that a chosen theme never flashes in late.
(() => {
  const KEY = 'blipsearch-theme';
  const root = document.documentElement;
  const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

  /** @returns {string | null} */
  function chosen() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is switched off: the system's theme it is
    }
  }

  /** @param {string | null} theme */
  function wear(theme) {
    if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  wear(chosen());
  document.addEventListener('DOMContentLoaded', () => {
    const button = document.getElementById('theme');
    const isDark = () => (root.dataset.theme ?? (systemIsDark.matches ? 'dark' : 'light')) === 'dark';
    const tell = () => button?.setAttribute('aria-pressed', String(isDark()));
    button?.addEventListener('click', () => {
      const theme = isDark() ? 'light' : 'dark';
      wear(theme);
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // It holds until the page is left.
      }
      tell();
    });
    systemIsDark.addEventListener('change', tell);
    tell();
  });
})();
