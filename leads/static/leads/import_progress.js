// Reload the page of an import while a job works on it. Without scripts, its link does the same.
setTimeout(() => location.reload(), 2000);
