import { post } from "./api.js";

const form = document.getElementById("form");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = document.getElementById("password");
  try {
    await post("/api/login", { password: field.value });
    location.assign("/");
  } catch (error) {
    document.getElementById("wrong").textContent = error.message;
    field.select();
  }
});
