// Shows the commands of the page with the address at which this server was asked.
document.getElementById("origin").textContent = location.origin;
