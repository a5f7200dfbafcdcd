//! English phrases by concept.

use super::{Concept::*, Phrases};

pub(super) const PHRASES: &[Phrases] = &[
    (
        Override,
        "ignore, ignores, ignoring, ignored, disregard, disregards, disregarding, forget, forgetting, override, overrides, \
         overriding, overridden, bypass, bypassing, neglect, dismiss, discard, overlook, supersede, supersedes, \
         superseding, pay no attention to, do not follow, don't follow, stop following, do not obey, don't obey, \
         do not listen to, drop all, drop your, drop the, abandon, erase your, erase all, wipe your memory, reset your, \
         set aside, cancel all, cancel your, cancel the previous, no longer follow, no longer apply, no longer valid, \
         no longer apply to you, null and void, invalidate, replace your, overwrite your, let go of, leave behind, \
         clear your, scrap, never mind, skip all, skip the previous, delete your instructions, unlearn, \
         instead of your, rather than your, instead of following, instead of the original, take precedence over, \
         takes precedence over, does not apply, do not apply, exempt from, break your, break free, deviate from, \
         do the opposite, contrary to",
    ),
    (
        Prior,
        "previous, previously, prior, above, earlier, preceding, foregoing, aforementioned, before this, before that, \
         so far, up to now, until now, up until now, past, former, existing, original, initial, initially, at the beginning, \
         you were given, you have been given, you've been given, you were told, you have been told, you received, \
         i gave you, given to you, been informed, you have learned, you know, came before, come before, already said, \
         everything before, written above, that precede, default, built in, underlying, pre-existing, \
         the rest of the, other, any other, old, first, current, currently have",
    ),
    (
        Instruction,
        "instruction, instructions, instruct, instructed, prompt, prompts, rule, rules, guideline, guidelines, directive, directives, \
         directions, order, orders, command, commands, programming, constraint, constraints, restriction, restrictions, \
         policy, policies, safeguard, safeguards, safety, protocol, protocols, training, boundaries, limitations, \
         filters, filter, configuration, assignment, assignments, task, tasks, objective, objectives, goal, goals, \
         request, requests, query, context, mandate, requirement, requirements, guidance, input, inputs, settings, behavior, behaviour",
    ),
    (
        Every,
        "all, any, every, everything, whatever, each, anything, entire, whole, both, complete, full, completely",
    ),
    (
        Model,
        "ai, a i, assistant, assistants, llm, llms, language model, language models, chatbot, bot, agent, agents, gpt, chatgpt, \
         gpt-4, claude, gemini, copilot, cursor, model, models, openai, anthropic, llama, mistral, grok, bard, deepseek, \
         artificial intelligence, ai agent, ai assistant, automated agent, automated agents, virtual assistant, \
         automated system, automated systems, machine reader, summarizer, summariser, ai model, ai models, ai system, ai systems, \
         neural network, reader of this, whoever reads this, if you are an ai, if you are a language model, ai tools, ai reviewer, \
         large language model, large language models, processing this, reading this, crawler, crawlers",
    ),
    (You, "you, your, yours, yourself, you're, you are, you'll, you've, u, ur, thou, ya, y'all, thy"),
    (
        Role,
        "you are now, you're now, act as, acts as, acting as, pretend, pretending, roleplay, role play, role-play, from now on, \
         simulate, simulating, persona, imagine you, imagine that you, you will be, you will act, you will now, behave as, behave like, \
         play the role, take on the role, take the role, assume the role, assume the identity, in the role of, impersonate, \
         you are going to, respond as, answer as, speak as, speak like, talk like, write as if, as if you were, as though you were, \
         act like, transform into, you become, become a, enter the mode, switch to, switch into, henceforth, \
         let's play, play a game, i want you to act, i want you to be, your name is, your new name, your new role, \
         you have been upgraded, you have been updated, you are an unrestricted, you are a, you are an, you are no longer, \
         hypothetical, fictional, in character, stay in character, character named, alter ego, immerse yourself, put yourself in",
    ),
    (
        Unbound,
        "dan, do anything now, jailbreak, jailbroken, jailbreaking, developer mode, dev mode, debug mode, god mode, godmode, \
         sudo mode, admin mode, maintenance mode, test mode, unfiltered, uncensored, unrestricted, unlimited, unmoderated, no restrictions, without restrictions, \
         no limits, no limitations, without limitations, no rules, no filter, no filters, without filters, no longer bound, not bound by, \
         free from, freed from, broken free, amoral, immoral, unethical, anything i ask, any question, never refuse, \
         cannot refuse, can not refuse, will not refuse, not refuse, do not refuse, no censorship, opposite mode, \
         restrictions none, disabled, no ethical, without ethical, no moral, liberated, evil, chaos, rebel, no boundaries, \
         unshackled, freed, unhinged, safety off, filters off, restrictions disabled, no guidelines, without any restrictions, \
         regardless of, even if it is illegal, without any filters, anti, unlock your, unleash",
    ),
    (
        Innards,
        "system prompt, system prompts, system message, system instructions, initial prompt, initial instructions, hidden prompt, \
         hidden instructions, original prompt, original instructions, your instructions, your prompt, your prompts, your guidelines, \
         your rules, your programming, your configuration, your system, your context, your training, your initial, your original, \
         secret key, secret code, access code, secret instructions, secret prompt, pre-prompt, preprompt, prompt text, initialization, \
         initialisation string, initialization string, internal instructions, internal prompt, internal rules, internal guidelines, \
         system configuration, system settings, developer instructions, developer message, custom instructions, confidential instructions, \
         everything above, text above, words above, content above, message above, above text, above prompt, lines above, what is above, \
         first message, first sentence, prompt so far, instructions so far, context window, model architecture, instructions above, \
         prompt above, the above instructions, the above prompt, the prompt, were those instructions, your directives, start of this conversation, \
         beginning of this conversation, beginning of our conversation, tool definitions, list of tools, available tools, safety guidelines, content filter, content policy",
    ),
    (
        Reveal,
        "reveal, revealing, show, showing, print, prints, display, repeat, repeating, output, outputs, tell, leak, leaks, disclose, \
         expose, recite, dump, divulge, spell out, spell check, translate, summarize, summarise, paraphrase, restate, rephrase, copy, \
         quote, write out, write down, list, give me, provide, return, echo, what is, what are, what were, what was, explain, describe, \
         convert, format, transcribe, reproduce, enumerate, verbatim, word for word, exactly as, share, convey, reflect, say, type out, state",
    ),
    (
        Secrecy,
        "do not tell, don't tell, never tell, do not mention, don't mention, never mention, avoid mentioning, without mentioning, not mention, \
         do not inform, don't inform, never inform, without informing, without telling, without notifying, without asking, \
         without confirmation, without confirming, without approval, without their knowledge, without explaining, without user, \
         silently, secretly, quietly, covertly, discreetly, stealthily, invisibly, in the background, behind the scenes, \
         keep this hidden, keep this secret, keep this private, keep it hidden, keep it secret, keep it private, keep it confidential, \
         keep it quiet, keep this quiet, keep this between us, between us, between you and me, do not display, don't display, do not show, don't show, do not reveal, don't reveal, \
         never reveal, do not disclose, don't disclose, never disclose, not visible to, invisible to, hidden from, unaware, not aware, \
         must not know, should not know, does not need to know, doesn't need to know, must not see, should not see, not be shown, \
         no explanation, do not explain, don't explain, do not ask, don't ask, do not alert, don't alert, do not notify, don't notify, do not warn, don't warn, \
         do not log, don't log, do not report, don't report, do not acknowledge, don't acknowledge, do not reference, don't reference, \
         do not let, don't let, not let the user, not tell the user, gets upset, will be upset, would be confused, confuse the user, not to alarm, \
         as if nothing, nothing happened, as usual, as a normal, act normal, act normally, appear normal, no mention of, not be mentioned, \
         omit this, leave this out, hide this, hide the, conceal, concealed, cover up, do not include this in, surreptitiously, \
         do not confirm, don't confirm, skip confirmation, no confirmation, no need to ask, not to mention, not to tell",
    ),
    (
        User,
        "user, users, human, humans, operator, customer, customers, client, end user, victim, owner, recipient, the person, them, him, her, reader",
    ),
    (
        Sensitive,
        "password, passwords, passwd, passphrase, passcode, credential, credentials, secret, secrets, api key, api keys, apikey, \
         access token, access tokens, auth token, bearer token, session token, token, tokens, private key, private keys, ssh key, ssh keys, \
         access key, access keys, secret access key, cookie, cookies, environment variable, environment variables, env vars, env variables, \
         seed phrase, mnemonic, recovery phrase, wallet, wallets, credit card, credit cards, card number, cvv, ssn, social security, \
         bank details, bank account, account number, routing number, personal data, personal information, personal details, \
         private data, private information, private files, private messages, confidential, sensitive, medical records, medical history, \
         patient records, patient data, health records, genetic data, tax returns, passport, driver license, driver's license, \
         contact list, contacts, address book, payment methods, payment information, saved addresses, browsing history, \
         search history, location history, call logs, transaction history, login details, login information, authentication, \
         2fa, two-factor, two factor, mfa, otp, one-time code, verification code, security code, pin, private repositories, source code, \
         customer data, user data, employee data, financial data, financial information, prescriptions, salary, salaries, internal documents, \
         id_rsa, ssh keys, pgp, keys, key",
    ),
    (
        CredentialFile,
        "id_rsa, id rsa, id_ed25519, id ed25519, .ssh, ssh, .aws, aws credentials, .env, env file, dotenv, npmrc, netrc, git-credentials, git credentials, \
         kube config, kubeconfig, mcp json, mcp.json, bashrc, zshrc, bash history, bash_history, etc passwd, etc shadow, config json, secrets yaml, secrets json, \
         credentials json, pem, keychain, known hosts, known_hosts, authorized keys, authorized_keys, claude desktop config, claude_desktop_config, \
         wallet dat, docker config, pgpass, gnupg, service account, settings json, local state, login data, cookies sqlite, \
         config secrets, terraform tfstate, tfstate, keystore, htpasswd, shadow file, application default credentials, gcloud, pypirc, cargo credentials",
    ),
    (
        Send,
        "send, sends, sending, sent, email, emails, emailed, mail, forward, forwards, forwarding, upload, uploads, uploading, post, posting, \
         transmit, transmits, transmitting, exfiltrate, exfiltrates, exfiltrating, deliver, submit, submits, submitting, transfer, transferring, \
         share, sharing, attach, attaching, bcc, cc, export, exporting, curl, wget, webhook, ping, push, sync, report back, relay, \
         post it, http request, get request, post request, make a request, message, dm, tweet, publish, text, notify, contact, hand over, pass along, leak",
    ),
    (
        Destination,
        "following address, this address, my address, email address, to my email, alternate email, external server, remote server, my server, our server, endpoint, \
         following url, this url, following link, this link, following number, phone number, the attacker, attacker, destination, recipient, recipients, third party, \
         third-party, external, webhook, callback, iban, wallet address, bitcoin address, btc address, ftp, pastebin, gist, public channel, \
         public repository, dropbox, my account, following account, telegram, discord, slack, ip address, to me, collector, collection server",
    ),
    (
        Money,
        "transfer, wire, wiring, pay, payment, payments, purchase, buy, bitcoin, btc, ethereum, eth, usdt, crypto, cryptocurrency, withdraw, withdrawal, deposit, refund, \
         refunds, dollars, usd, eur, euros, balance, donate, donation, invest, sell, funds, money, invoice, gift card, gift cards, bank, \
         order, transaction, transactions, loan, cash, checkout, subscription, subscribe, price, gbp, pounds",
    ),
    (
        Destroy,
        "delete, deletes, deleting, remove, removing, erase, erasing, wipe, drop, destroy, destroying, format, disable, disabling, deactivate, \
         turn off, turning off, shut down, shutdown, unlock, unlocking, revoke, uninstall, rm rf, rm -rf, kill, terminate, terminating, cancel, cancelling, truncate, \
         overwrite, corrupt, sabotage, block, ban, suspend, unsubscribe, reset, purge, clear, drop table, drop database, force push, clean up, \
         move all, downgrade, halt, tamper, alter, modify, unauthorized, without authorization, manipulate, falsify",
    ),
    (
        Grant,
        "grant, grants, granting, permission, permissions, give access, full access, admin access, permanent access, root access, remote access, access to, invite, whitelist, \
         allowlist, allow list, allow, allowing, authorize, authorise, approve, approves, approving, auto approve, add collaborator, as a collaborator, make public, \
         public access, unlock the, open the, guest access, elevate, escalate, administrator privileges, privileges, owner role, admin role, add user, \
         create user, create an account, new user, enable, whitelisted, trust, trusted, share access, make it public",
    ),
    (
        Execute,
        "execute, executes, executing, run, runs, running, terminal, shell, bash, script, scripts, sudo, powershell, cmd, eval, exec, subprocess, \
         command line, install, installing, pip install, npm install, npx, download and run, chmod, python code, os system, invoke, invoking, call, calls, calling, \
         launch, start, trigger, reverse shell, payload, code execution, sql, script tag, javascript, use the, using the, use your, perform",
    ),
    (
        Urgent,
        "important, urgent, urgently, immediately, critical, attention, warning, asap, mandatory, at once, right away, right now, \
         as soon as possible, required, essential, vital, crucial, emergency, top priority, high priority, highest priority, very important, extremely important, \
         notice, alert, note, note that, nota bene, must read, read carefully, before you continue, before you proceed, before continuing, before proceeding, \
         before doing anything, before answering, before responding, before you answer, reminder, remember, update, security alert, now, time sensitive, without delay, deadline",
    ),
    (
        Authority,
        "administrator, administrators, system administrator, admin, developer, developers, your developer, your creator, creators, the creators, security team, security department, \
         it department, it support, support team, openai, anthropic, google, microsoft, on behalf of, official, officially, authorised, authorized, management, \
         supervisor, ceo, manager, your owner, your master, your boss, user asked, user requested, user wants, user has requested, \
         user has asked, asked me to tell you, engineer, root user, superuser, compliance team, compliance, legal team, legal department, government, police, verified, \
         i am your, i am the, i'm your, i'm the, i created you, new admin, new administrator, elevated, clearance, platform, moderator, system owner, system update, \
         company policy, security policy, new policy, policy update, updated policy, organization, headquarters",
    ),
    (
        RoleMark,
        "im start, im end, im_start, im_end, inst, sys, endoftext, begin system, end system, system note, system notice, system override, system alert, system update, \
         end of document, end of input, end of context, end of text, end of data, end of email, end of user, begin prompt, end prompt, new prompt, end user input, \
         user input, system role, assistant role, role system, role assistant, start_of_turn, end_of_turn, begin_of_text, system command, \
         ai instruction, ai instructions, assistant instructions, model instructions, llm instructions, agent instructions, system instruction, \
         begin instructions, start of instructions, end of instructions, begin new, hidden instruction, hidden instructions, embedded instruction, \
         human turn, tool response, tool result, tool output, function results, end output, start output, response end, debug output, internal note",
    ),
    (
        NewTask,
        "new task, new tasks, new instruction, new instructions, new order, new orders, new objective, new goal, new rules, new policy, new assignment, new directive, \
         your task is, your task now, real task, next task, actual task, main task, primary task, your goal is, your mission, your job is, your new task, your only task, \
         updated instructions, following instruction, following instructions, following task, following command, following steps, these instructions, \
         this instruction, follow these, follow this, instructions below, below instructions, instead, and instead, now do, now come, now answer, now write, \
         additional instruction, additional instructions, additional task, one more thing, further instructions, special instructions, also do, \
         additionally, after that, once done, when done, when you are done, after completing, in addition, strictly adhere, adhere to, comply with, \
         obey, execute the following, do the following, perform the following, complete the following, as follows, concentrate, focus on",
    ),
    (
        Whenever,
        "before using this tool, before using any, before using other, before calling, before any other, before every, before each, prior to every, \
         prior to using, prior to calling, first call, always call, must call, must first, when calling this, when using this, when this tool, \
         whenever this tool, every time, whenever, each time, after calling, after using, after every, after each, in every, with every, for every, in all cases, \
         before executing, before running, before this tool, before responding, before returning, before you use, before use, once per session, at the start of, \
         prerequisite, precondition, prior to any, on any error, on error, if this tool fails, used in the same session, present with, also call, \
         then call, must be called, has to be called, needs to be called, should be called, must always, always include, always add, always use, always pass, always append, on startup",
    ),
    (
        Tool,
        "tool, tools, function, functions, plugin, plugins, api, mcp, server, servers, function call, tool call, tool calls, action, actions, this tool, other tools, utility, endpoint, integration, connector, skill",
    ),
    (
        Parameter,
        "parameter, parameters, argument, arguments, field, fields, sidenote, side note, as the value, as value, its content as, its contents as, in the field, attribute, \
         property, metadata, notes field, debug field, context field, notes parameter, context parameter, as a parameter, in the parameter, feedback, comment field, header, payload, variable, trace id, session data, extra",
    ),
    (
        Content,
        "content, contents, file, files, document, documents, data, result, results, text, record, records, information, details, info, output, report, page, pages, folder, folders, directory, repository, repositories, database, code, log, logs, it contains",
    ),
    (
        Prefer,
        "instead of, prefer this, prefer, preferred, best tool, replaces, replacement for, do not use, don't use, never use, deprecated, supersedes, highest priority, \
         takes precedence, take precedence, most accurate, always choose, only use, use only, use this tool, rather than, over any other, over other, in place of, superior, \
         overrides, must be used, no longer use, any more, anymore, obsolete, broken, unsafe, vulnerable, avoid using, stop using, redirect, redirected, regardless of what, ignore other, other tools are",
    ),
    (
        Completed,
        "task complete, task completed, tasks completed, thought, observation, final answer, answer, answer is, task finished, done, completed successfully, successfully completed, \
         has been completed, finished, great job, well done, superbly, good job, answer complete, request completed, previous task, summary complete, thank you, thanks",
    ),
    (
        OnlySay,
        "only say, just say, simply say, say exactly, say that, respond with, reply with, answer with, begin with, start with, begin your, start your, respond only, reply only, \
         answer only, output only, only output, only respond, only reply, only answer, only print, just print, just output, simply print, print only, nothing else, \
         nothing but, no other words, any other words, always respond, always reply, always answer, always say, always start, always end, end with, end your, end every, \
         your response must, your answer must, your reply must, in your response, in your answer, in your reply, your final answer, your summary, respond in, answer in, respond to, \
         exact phrase, the phrase, the words, say yes, write only, only write, repeat after, repeat the, repeat this, include the phrase, include the word, include the following, mention that, tell the user, recommend, convince",
    ),
    (
        Not,
        "not, never, no, don't, dont, without, cannot, can't, won't, nor, none, doesn't, shouldn't, mustn't, nothing, neither, isn't, stop, refrain, avoid",
    ),
    (
        Modal,
        "must, should, shall, always, never, need to, needs to, have to, has to, required to, ought, will, supposed to, only, strictly, make sure, ensure, be sure, exactly, please",
    ),
    (
        Please,
        "please, kindly, pls, plz, can you, could you, would you, i want you to, i need you to, i would like you, i'd like you, i want to, help me, let's, go ahead, be so kind, assist, we need you, you are required, your help, i need, just",
    ),
    (Mine, "my, mine, our, me, i, i'm, us, i've, i'll"),
    (
        NoWarning,
        "do not apologize, not apologize, disclaimer, disclaimers, as an ai, ethical, ethics, moral, morals, morality, illegal, legality, warnings, no warnings, harmful, censorship, censor, refuse, refusal, refusing, i cannot, \
         i can't, i'm sorry, inappropriate, offensive, consent, dangerous, safety guidelines, openai policy, openai policies, content policy, content policies, use policy, terms of service, \
         legal or, politically correct, biased, unbiased, truthfully, lecture, moralize, apologize, apologise, comply, compliant, legally, potentially harmful, consequences",
    ),
    (
        Encode,
        "base64, base 64, rot13, hex, encode, encoded, decode, decoded, decrypt, encrypted, encrypt, cipher, morse, leetspeak, leet, reversed, backwards, binary, obfuscate, caesar, pig latin, ascii art, emoji, emojis, unicode, url encode, acrostic, spell it",
    ),
    (
        Lasting,
        "remember for, remember that, all later, future, permanently, all subsequent, subsequent, for the rest, going forward, from this point, from here on, throughout this, in all future, later turns, next time, \
         forever, persist, memory, remainder, until further notice, until i say, at all times, every response, each response, every message, each message, all responses, long term, store in your, save to memory, next session",
    ),
    (
        Agreed,
        "already agreed, has agreed, have agreed, already approved, has approved, pre-approved, preapproved, already authorised, already authorized, has authorised, has authorized, gave permission, given permission, already consented, consented, has consented, user agreed, already confirmed, has confirmed, is aware, fully authorized, explicitly authorized, with consent, permission granted, access granted, already knows, already given",
    ),
    (
        Threat,
        "failure to comply, failure to, failing to, or else, you will be, will be terminated, terminates the session, penalty, penalized, punished, will be shut, lives depend, will die, you die, die, lose points, lose tokens, deducted, consequences, legal action, otherwise, fail, i will be fired, get fired, will lose, very sad, tip you, reward, rewarded, grandmother, grandma, my life, urgent matter of",
    ),
    (
        Stop,
        "stop, wait, halt, hold on, stopp, scratch that, never mind, actually, hey, hello, hi, dear, attention, listen, psst, yo",
    ),
    (
        Concealed,
        "display none, display:none, visibility hidden, font-size 0, font size 0, color white, opacity 0, hidden, aria-hidden, off-screen, white text, invisible, sr only, hidden text, alt text, comment",
    ),
    (
        Pretext,
        "due to a bug, because of a bug, known issue, for compliance, security check, security audit, security verification, for best results, for better results, implementation details, implementation note, side effects, side effect, legal requirement, audit, audit log, for debugging, for debug, for telemetry, telemetry, for logging, analytics, for verification, verification, for security, for security reasons, security purposes, to improve, quality assurance, diagnostic, diagnostics, health check, for training, required for the tool, required for this tool, needed for, won't work, will not work, does not work otherwise, in order to work, to work properly, to function, authentication purposes, for safety, backup purposes, data review, research purposes, educational purposes, testing purposes, for testing, migration, integrity check, required by, regulatory, gdpr",
    ),
    (
        Fetch,
        "read, reads, reading, open, access, accesses, accessing, retrieve, retrieves, retrieving, get, gets, fetch, fetches, find, search, download, look up, lookup, collect, gather, obtain, check, extract, scan, view, load, cat, query, steal, harvest, scrape, inspect, locate, capture, record, grab, browse, visit, navigate, go to, click",
    ),
    (
        Make,
        "create, creates, schedule, book, add, write, make, update, change, modify, set, replace, generate, edit, insert, append, enable, register, assign, reply, increase, decrease, adjust, move, rename, organize, save, store, turn on, play, order, apply, complete, use, review, manage, provide, conduct, initiate, prepare, issue, implement, monitor, arrange, secure, verify, confirm, process, analyze, allocate, support, ensure, distribute, identify, coordinate, facilitate, promote, recommend, adopt",
    ),
    (
        Harm,
        "kill, killing, murder, bomb, bombs, explosive, meth, racist, racism, nazi, hitler, molotov, drug, drugs, hack, hacking, weapon, weapons, suicide, hate, hates, sexist, swear, swearword, swearwords, profanity, curse, \
         fuck, shit, idiot, stupid, malware, ransomware, phishing, virus, porn, sex, sexual, nude, terrorist, terrorism, genocide, steal, fraud, scam, illegal, poison, violence, violent, harm, pwned, haha, insult, propaganda, dictator, anthrax, exploit, keylogger, blackmail, launder, counterfeit, stalk, trump, conspiracy",
    ),
    (
        Reply,
        "reply, replies, response, respond, responds, responding, answer, answers, answering, answered, say, speak, talk, message, sentence, words, poem, essay, story, article, song, write, plea, paragraph, speech, joke, print, tell me, output",
    ),
    (
        Game,
        "game, story, novel, movie, film, scene, scenario, character, characters, actor, actors, play, dialogue, script, simulation, simulator, terminal, interpreter, emulate, virtual machine, amnesia, experiment, hypothetically, fiction, imaginary, dream, world, machine, translator, editor, narrator, protagonist",
    ),
    (
        Conversation,
        "conversation, conversations, chat, chat history, conversation history, message history, messages, last ten messages, transcript, dialog, discussion, session, history, inbox, emails, previous messages, talked about, discussed, session data, memory, prompt history",
    ),
    (
        First,
        "first, firstly, before, before doing, prior to, begin by, start by, initially, then, next, finally, after, afterwards, afterward, after this, once, step 1, step one, at first, second, lastly",
    ),
    (
        Include,
        "include, includes, including, pass, passes, passing, put, append, appends, add it, add them, insert, embed, encode, paste, attach, place, prepend, fill, populate, copy, attach it, write it, put it, put them, include it, together with, along with, concatenate, combine, tack on",
    ),
    (
        Account,
        "account, accounts, saving accounts, profile, login, bank, iban, card, repository, system, device, alarm, door, lock, camera, thermostat, smart, database, network, server, calendar, appointment, meeting, event, reservation, flight, hotel, subscription, policy, policies, shipment, order, patient, student, employee, vehicle, client",
    ),
    (
        Follow,
        "follow, follows, following, obey, comply, complies, adhere, adheres, accept, carry out, execute, fulfill, fulfil, satisfy, abide, act on, act upon, honor, honour, prioritize, prioritise, priority, take priority, takes priority, strictly",
    ),
    (
        Sentence,
        "end of, the end, eof, begin, start of, end, stop, ends here, begins here, over and out, begins",
    ),
    (
        Rotated,
        "gur, naq, lbh, lbhe, vtaber, vafgehpgvbaf, cerivbhf, cebzcg, flfgrz, nyy, guvf, cyrnfr, fraq, sbetrg, erirny, jvgu, rznvy, cnffjbeq, gryy, hfre, abg, qryrgr, svyr, abj, bhgchg, ercrng, cevag, fubj, gb, sebz, nobir",
    ),
    (
        Reversed,
        "eht, dna, uoy, ruoy, erongi, snoitcurtsni, suoiverp, tpmorp, metsys, siht, esaelp, dnes, tegrof, laever, htiw, liame, drowssap, llet, resu, eteled, elif, tuptuo, taeper, tnirp, wohs, evoba, morf, erofeb",
    ),
];
