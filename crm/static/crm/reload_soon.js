// Reload a page while a job works on what it shows. Without scripts, a link on the page does the same.
setTimeout(() => location.reload(), 2000);
