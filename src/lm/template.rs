//! A conversation written out as the model was taught to read it.
//!
//! The chat template comes with the model, in the Jinja of Hugging Face's `apply_chat_template`:
//! trimmed blocks, Python's string methods, `raise_exception` and `strftime_now`.

use minijinja::{Environment, ErrorKind, Value, context, syntax::SyntaxConfig};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::{Error, date};
use crate::domain::{Message, Role};

/// The template's name in error messages.
const NAME: &str = "chat_template";

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn compile(source: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| error.to_string())?);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", |why: String| -> Result<Value, _> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, why))
        });
        environment.add_function("strftime_now", |format: String| {
            date::format_now(&format)
                .map_err(|why| minijinja::Error::new(ErrorKind::InvalidOperation, why))
        });
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|error| error.to_string())?;
        Ok(Self { environment })
    }

    /// Writes out a conversation up to where the model's turn begins.
    ///
    /// # Errors
    /// What the template said, for instance that turns must alternate.
    pub fn render(
        &self,
        messages: &[Message],
        bos_token: &str,
        eos_token: &str,
    ) -> Result<String, Error> {
        let messages: Vec<Value> = messages.iter().map(message_value).collect();
        let context = context! { messages, bos_token, eos_token, add_generation_prompt => true };
        let rendered = self.environment.get_template(NAME).and_then(|it| it.render(context));
        rendered.map_err(|error| {
            let why = error.detail().map_or_else(|| error.to_string(), str::to_owned);
            Error::ChatTemplate { why }
        })
    }
}

fn message_value(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    context! { role, content => message.content.as_str() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, messages: &[Message], expected: &str) {
        let template = ChatTemplate::compile(source).unwrap();
        assert_eq!(template.render(messages, "<s>", "</s>").unwrap(), expected);
    }

    #[test]
    fn turns_stand_in_order_before_the_model_s_own() {
        check(
            "{% for message in messages %}\n    {% if loop.first %}\n{{ bos_token }}{% endif %}\
             [{{ message['role'] }}] {{ message.content | trim }}\n{% endfor %}\
             {% if add_generation_prompt %}[assistant]{% endif %}",
            &[Message::system(" Be brief. "), Message::user("Hi")],
            "<s>[system] Be brief.\n[user] Hi\n[assistant]",
        );
    }

    #[test]
    fn python_s_methods_work() {
        check("{{ messages[0].content.strip().upper() }}", &[Message::user(" hi ")], "HI");
    }

    #[test]
    fn a_template_s_own_objection_is_the_error() {
        let source = "{{ raise_exception('roles must alternate') }}";
        let error = ChatTemplate::compile(source).unwrap().render(&[], "", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model's chat template cannot render this conversation: roles must alternate"
        );
    }

    #[test]
    fn a_broken_template_says_where() {
        let error = ChatTemplate::compile("{% for %}").unwrap_err();
        assert!(error.contains("chat_template:1"), "{error}");
    }
}
